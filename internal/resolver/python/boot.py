import sys
if sys.version_info < (3, 8):
    sys.exit("couchmend runs resolvers with Python 3.8 or newer, and this is " + sys.version)
import json, os
questions = os.fdopen(os.dup(0), "rb", 1 << 16)
boot = json.loads(questions.readline().decode("utf-8"))
exec(compile(boot["worker"], "<couchmend>", "exec"), {"__name__": "<couchmend>", "boot": boot, "questions": questions})

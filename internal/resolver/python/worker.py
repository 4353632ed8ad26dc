# The program of a Python resolver's process. Package resolver starts it, writes
# a greeting and then questions to its standard input, a line of JSON each, and
# reads an answer to each from its standard output. Everything else that reaches
# standard output was printed by the resolver, which couchmend takes for a
# mistake: so each answer begins with a token that nobody prints by chance.
#
# The resolver's module is executed anew for each question, and so is every
# module of the policy's folder that it imports. Each is compiled once, from the
# source that couchmend has read: what is edited meanwhile changes nothing.

import base64
import importlib.machinery
import io
import json
import linecache
import os
import sys
import tokenize
import traceback
import types

MAIN = "__resolver__"  # the module's __name__, which no import can ask for by chance
SHOWN_FRAMES = 10  # of a call stack
ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))


class Folder:
    """The policy's folder, and an importer of the modules beside the resolver."""

    def __init__(self, directory, file, sources):
        self.directory = directory
        self.file = os.path.join(directory, file)
        self.home = os.path.dirname(self.file)
        self.sources = {os.path.join(directory, path): base64.b64decode(source) for path, source in sources.items()}
        self.compiled = {}
        inside = sys.prefix.startswith(directory + os.sep)  # a virtual environment in the folder
        self.installed = (sys.prefix + os.sep,) if inside else ()

    def code(self, path):
        if path not in self.compiled:
            self.compiled[path] = compile(self.sources[path], path, "exec", dont_inherit=True)
        return self.compiled[path]

    def find_spec(self, name, path=None, target=None):
        stem = os.path.join(self.home, *name.split("."))
        package = os.path.join(stem, "__init__.py")
        is_package = package in self.sources
        origin = package if is_package else stem + ".py"
        if origin not in self.sources:
            return None
        spec = importlib.machinery.ModuleSpec(name, self, origin=origin, is_package=is_package)
        spec.has_location = True
        if is_package:
            spec.submodule_search_locations = [stem]
        return spec

    def create_module(self, spec):
        return None

    def exec_module(self, module):
        exec(self.code(module.__spec__.origin), module.__dict__)

    def holds(self, path):
        """Whether path is the user's own: in the folder, and not installed in it."""
        if not isinstance(path, str) or not path.startswith(self.directory + os.sep):
            return False
        below = path[len(self.directory):]
        return os.sep + "site-packages" + os.sep not in below and not path.startswith(self.installed)

    def holds_module(self, module):
        places = [getattr(module, "__file__", None)]
        try:
            places.extend(getattr(module, "__path__", ()))
        except Exception:  # a module may be any object
            pass
        return any(self.holds(place) for place in places)

    def relative(self, path):
        return os.path.relpath(path, self.directory) if self.holds(path) else path

    def remember_lines(self, path):
        """Make tracebacks quote what was compiled, and not what the file is by now."""
        if path in self.sources:
            source = io.BytesIO(self.sources[path])
            encoding, _ = tokenize.detect_encoding(source.readline)
            source.seek(0)
            lines = source.read().decode(encoding, "replace").splitlines(True)
            linecache.cache[path] = (len(lines), None, lines, path)


class State:
    """What a resolver may change and the next document must not notice."""

    def __init__(self, folder):
        self.folder = folder
        self.directory = folder.directory
        self.streams = sys.stdin, sys.stdout, sys.stderr
        self.descriptors = [(fd, os.dup(fd)) for fd in range(3)]
        self.path = list(sys.path)
        self.environ = dict(os.environ)
        self.variables = dict(self.encoded())
        self.recursion_limit = sys.getrecursionlimit()
        self.pid = os.getpid()
        self.kept = set(sys.modules)  # modules that are not the user's own

    def encoded(self):
        """The environment as bytes: two of these are compared in no time."""
        return getattr(os.environ, "_data", os.environ)

    def restore(self):
        if os.getpid() != self.pid:  # a child that the resolver forked has come back
            os._exit(0)
        try:
            sys.stdout.flush()  # the resolver's own: what it printed must show
        except Exception:
            pass
        sys.stdin, sys.stdout, sys.stderr = self.streams
        for fd, kept in self.descriptors:
            os.dup2(kept, fd)
        sys.path[:] = self.path
        if sys.getrecursionlimit() != self.recursion_limit:
            sys.setrecursionlimit(self.recursion_limit)
        if self.encoded() != self.variables:
            os.environ.clear()
            os.environ.update(self.environ)
        os.chdir(self.directory)
        for name in sys.modules.keys() - self.kept:
            if name == MAIN or self.folder.holds_module(sys.modules[name]):
                del sys.modules[name]
            else:
                self.kept.add(name)


class Resolver:
    """The user's module and the function in it that is asked."""

    def __init__(self, folder, function, review):
        self.folder = folder
        self.function = function
        self.review = review
        self.state = State(folder)

    def load(self):
        """Execute the module anew, and return its function."""
        code = self.folder.code(self.folder.file)
        module = sys.modules[MAIN] = types.ModuleType(MAIN)
        module.__file__ = self.folder.file
        exec(code, module.__dict__)
        function = getattr(module, self.function, None)
        if not callable(function):
            raise Mistake("there is no function %s(base, revisions)" % self.function)
        return function

    def check(self):
        """Load the module, and say what is wrong with its function."""
        import inspect

        function = self.load()
        try:
            inspect.signature(function).bind(None, [])
        except TypeError as error:
            raise Mistake("%s(base, revisions) can't be called: %s" % (self.function, error))
        except ValueError:  # of a function in C: only a question can tell
            pass

    def answer(self, line):
        """Return the member of the answer beside its id: its name, and its JSON."""
        try:
            question = json.loads(line)
            if "load" in question:
                self.check()
                return "result", b"null"
            result = self.load()(question["base"], question["revisions"])
        except BaseException as error:
            return self.verdict(error)
        try:
            return "result", encode(result)
        except MemoryError as error:
            return self.verdict(error)
        except BaseException as error:
            return "output", quote("the result can't be written as JSON: %s" % error)

    def verdict(self, error):
        if isinstance(error, self.review):
            return "review", quote(str(error) or "the resolver asks a person to decide")
        if isinstance(error, MemoryError):
            return "memory", quote("it ran out of memory" + self.place(error))
        if isinstance(error, SystemExit):
            return "exited", quote("it called exit (%r)%s" % (error.code, self.place(error)))
        return "error", quote(self.told(error))

    def place(self, error):
        stack = self.stack(error)
        return " at %s:%d" % stack[-1][:2] if stack else ""

    def stack(self, error):
        """The user's own frames, outermost first: file, line, function, source."""
        for frame, _ in traceback.walk_tb(error.__traceback__):
            self.folder.remember_lines(frame.f_code.co_filename)
        frames = traceback.extract_tb(error.__traceback__)
        return [(self.folder.relative(f.filename), f.lineno, f.name, f.line) for f in frames if self.folder.holds(f.filename)]

    def told(self, error):
        """An error for people: where and what, then the call stack, innermost first."""
        if isinstance(error, SyntaxError) and error.filename:
            place = "%s:%s" % (self.folder.relative(error.filename), error.lineno)
            return "%s: %s: %s\n  %s" % (place, type(error).__name__, error.msg, (error.text or "").strip())
        stack = self.stack(error)[::-1]
        place = "%s:%d" % stack[0][:2] if stack else self.folder.relative(self.folder.file)
        what = str(error) if isinstance(error, Mistake) else headline(error)
        lines = ["%s: %s" % (place, what)]
        for frame in stack[:SHOWN_FRAMES]:
            lines.append("  %s:%d in %s: %s" % frame)
        if len(stack) > SHOWN_FRAMES:
            lines.append("  … %d more" % (len(stack) - SHOWN_FRAMES))
        cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
        if cause is not None:
            lines.append("after " + headline(cause) + self.place(cause))
        return "\n".join(lines)


class Mistake(Exception):
    """What is wrong with a module, in words."""


def headline(error):
    text = "".join(traceback.format_exception_only(type(error), error)).strip()
    return text[len(MAIN) + 1:] if text.startswith(MAIN + ".") else text


def encode(value):
    return ENCODER.encode(value).encode("utf-8")


def quote(text):
    """Text in JSON, whatever it holds."""
    return json.dumps(text.encode("utf-8", "replace").decode("utf-8")).encode("utf-8")


def serve():
    answers = os.fdopen(os.dup(1), "wb", 0)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)  # user code finds standard input at an end
    os.close(null)
    if hasattr(sys, "set_int_max_str_digits"):
        sys.set_int_max_str_digits(0)  # integers of any size
    token = boot["token"].encode()

    review = types.ModuleType("couchmend")
    exec(compile(boot["couchmend"], "<couchmend.py>", "exec"), review.__dict__)
    sys.modules["couchmend"] = review

    folder = Folder(boot["dir"], boot["file"], boot["sources"])
    sys.argv = [folder.file]
    sys.path[0] = folder.home
    finders = sys.meta_path
    finders.insert(finders.index(importlib.machinery.PathFinder), folder)
    resolver = Resolver(folder, boot["function"], review.Review)
    stdout = sys.stdout

    id, name, value = 0, "result", b"null"  # the greeting's answer
    while True:
        stdout.flush()
        answer = memoryview(b'%s{"id":%d,"%s":%s}\n' % (token, id, name.encode(), value))
        while answer:
            answer = answer[answers.write(answer):]
        value = answer = None  # or they would take room beside the next ones
        line = questions.readline()
        if not line:
            os._exit(0)
        id += 1
        name, value = resolver.answer(line)
        resolver.state.restore()


serve()

package resolver

import (
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/couchmend/couchmend"
)

// ProcessOptions are the limits of a resolver that runs in processes of its
// own. The zero value of each is its default.
type ProcessOptions struct {
	Dir       string        // the policy's folder, where the processes run; default: the current one
	Workers   int           // questions answered at once; each by two processes. Default: GOMAXPROCS
	Timeout   time.Duration // for one question; default 5 s
	Memory    int64         // bytes of data of one process; default 512 MiB. Kept on Linux only
	MaxOutput int64         // bytes of one answer; default 16 MiB
	Log       *slog.Logger  // gets the processes' standard error at debug level; may be nil
}

func (o ProcessOptions) withDefaults() (ProcessOptions, error) {
	dir, err := filepath.Abs(o.Dir)
	if err != nil {
		return o, unusable(err)
	}
	o.Dir = dir
	if o.Workers <= 0 {
		o.Workers = runtime.GOMAXPROCS(0)
	}
	if o.Timeout <= 0 {
		o.Timeout = 5 * time.Second
	}
	if o.Memory <= 0 {
		o.Memory = 512 << 20
	}
	if o.MaxOutput <= 0 {
		o.MaxOutput = 16 << 20
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o, nil
}

// locate finds a program as a shell whose current folder is Dir would.
func (o ProcessOptions) locate(name string) string {
	if strings.ContainsRune(name, '/') && !filepath.IsAbs(name) {
		return filepath.Join(o.Dir, name)
	}
	return name
}

// passedOn are the variables of our environment that a resolver's process
// sees. It is a list of what is let through, so that no secret of ours can be
// forgotten on it.
var passedOn = []string{"PATH", "HOME", "TMPDIR", "SystemRoot", "TEMP"}

// environment is all that a resolver's process sees. Locale, time zone and
// encoding are the same on every site, because a resolver may depend on them
// (I4). The hash seed differs between the two processes that answer one
// question, so that a result which depends on it shows.
func environment(hashSeed string) []string {
	env := []string{
		"LANG=C.UTF-8",
		"LC_ALL=C.UTF-8",
		"TZ=UTC",
		"PYTHONHASHSEED=" + hashSeed,
		"PYTHONDONTWRITEBYTECODE=1",
		"PYTHONIOENCODING=utf-8",
		"PYTHONUNBUFFERED=1",
		"PYTHONUTF8=1",
	}
	for _, name := range passedOn {
		if value, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+value)
		}
	}
	return env
}

// unusable says that a resolver can't be made as the policy describes it.
func unusable(err error) error {
	return &couchmend.Error{Op: "resolver", Kind: couchmend.KindUsage, Err: err}
}

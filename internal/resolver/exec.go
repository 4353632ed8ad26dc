package resolver

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"os"
	"os/exec"
	"path"

	"github.com/couchmend/couchmend"
)

// ExecOptions describe a resolver that is any program.
type ExecOptions struct {
	ProcessOptions
	// Command is the program and its arguments: no shell reads it. The program
	// is a name that PATH leads to, or a path, which starts at Dir.
	Command []string
}

// Exec is a couchmend.Resolver that is any program: it reads a question a line
// from its standard input and writes an answer a line to its standard output.
// docs/resolver-protocol.md is the protocol.
type Exec struct {
	pool  *pool
	files map[string][]byte
}

// NewExec makes a resolver of a program. Nothing is started before the first
// question. Errors are *couchmend.Error of KindUsage.
func NewExec(o ExecOptions) (*Exec, error) {
	var err error
	if o.ProcessOptions, err = o.withDefaults(); err != nil {
		return nil, err
	}
	if len(o.Command) == 0 || o.Command[0] == "" {
		return nil, unusable(errors.New("an exec resolver needs a program"))
	}
	files, err := namedFiles(o.Dir, o.Command)
	if err != nil {
		return nil, unusable(err)
	}
	return &Exec{newPool(o.ProcessOptions, &program{
		name:     o.Command[0],
		path:     o.locate(o.Command[0]),
		args:     o.Command[1:],
		verdicts: map[string]couchmend.Reason{"error": couchmend.ReasonResolverError},
		stray:    couchmend.ReasonResolverOutput,
	}), files}, nil
}

// namedFiles reads the files below dir that a command names: its scripts.
// Programs are not read: they may be large, and belong to the machine.
func namedFiles(dir string, command []string) (map[string][]byte, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	files := map[string][]byte{}
	for _, arg := range command {
		name := path.Clean(arg)
		info, err := root.Stat(name)
		if err != nil || !info.Mode().IsRegular() || info.Size() > maxSource {
			continue
		}
		if files[name], err = readSource(root, name, maxSource); err != nil {
			return nil, err
		}
	}
	return files, nil
}

// Ping tries whether the program is there and may be run. It is not started: it
// owes no answer but to questions.
func (e *Exec) Ping(context.Context) error {
	if _, err := exec.LookPath(e.pool.program.path); err != nil {
		return notStarted(e.pool.program, err)
	}
	return nil
}

// Resolve asks two processes; see couchmend.Resolver. Errors are
// *couchmend.ResolverError, or wrap couchmend.ErrReview or ctx's error.
func (e *Exec) Resolve(ctx context.Context, base *couchmend.Revision, revisions []couchmend.Revision) (json.RawMessage, error) {
	return e.pool.resolve(ctx, base, revisions)
}

// Files are the scripts below Dir that the command names, as they were when
// the resolver was made. A process runs what they are when it starts.
func (e *Exec) Files() map[string][]byte { return maps.Clone(e.files) }

// Close ends all processes, after the questions under way unless their contexts
// end, and returns when nothing of them is left.
func (e *Exec) Close() error {
	e.pool.close()
	return nil
}

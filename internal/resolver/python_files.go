package resolver

import (
	"fmt"
	"io/fs"
	"os"
	"path"
	"strings"
)

// Bounds of what is read of a policy's folder.
const (
	maxSource  = 1 << 20  // bytes of one file
	maxSources = 16 << 20 // bytes of all
	maxFiles   = 1000
)

// pythonFiles reads a module and those that it can import from its folder, and
// nothing outside dir.
func pythonFiles(dir, file string) (map[string][]byte, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	main, err := readSource(root, file, maxSource)
	if err != nil {
		return nil, err
	}
	files := map[string][]byte{file: main}
	size := 0
	err = fs.WalkDir(root.FS(), path.Dir(file), func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && name != path.Dir(file):
			if _, err := root.Stat(path.Join(name, "__init__.py")); err != nil {
				return fs.SkipDir
			}
		case !d.IsDir() && strings.HasSuffix(name, ".py") && name != file:
			source, err := readSource(root, name, maxSource)
			if err != nil {
				return err
			}
			files[name] = source
			if size += len(source); size > maxSources || len(files) > maxFiles {
				return fmt.Errorf("there are more than %d Python files or %d MiB beside %s: give resolvers a folder of their own", maxFiles, maxSources>>20, file)
			}
		}
		return nil
	})
	return files, err
}

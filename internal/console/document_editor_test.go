package console

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestTheEditorsBundleIsBuiltFromWhatLiesBesideIt(t *testing.T) {
	t.Parallel()
	list, err := os.Open("editor/built-from.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer list.Close()
	files := 0
	for in := bufio.NewScanner(list); in.Scan(); files++ {
		want, name, _ := strings.Cut(in.Text(), "  ")
		text, err := os.ReadFile(filepath.Join("editor", name))
		if err != nil {
			t.Fatal(err)
		}
		if sum := sha256.Sum256(text); hex.EncodeToString(sum[:]) != want {
			t.Errorf("%s is another than when the bundle was built: run npm run build in editor, and commit the bundle", name)
		}
	}
	if files != 4 {
		t.Errorf("%d files are listed", files)
	}
}

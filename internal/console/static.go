package console

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"io/fs"
	"net/http"
)

//go:embed static
var staticFiles embed.FS

func staticRoutes() []route {
	return []route{{pattern: "GET /static/{file}", serve: (*visit).static, open: true}}
}

// static serves a file of static/, one that is named by itself: a path that
// climbs out matches no file.
func (v *visit) static() error {
	name := v.r.PathValue("file")
	text, err := fs.ReadFile(staticFiles, "static/"+name)
	if err != nil {
		return refuse("not_found", "there is no such file")
	}
	sum := sha256.Sum256(text)
	v.w.Header().Set("Cache-Control", "no-cache") // kept, and asked about by its ETag
	v.w.Header().Set("ETag", `"`+hex.EncodeToString(sum[:8])+`"`)
	http.ServeFileFS(v.w, v.r, staticFiles, "static/"+name)
	return nil
}

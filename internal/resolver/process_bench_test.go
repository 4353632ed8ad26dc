package resolver

import (
	"fmt"
	"runtime"
	"testing"

	"github.com/couchmend/couchmend"
)

// BenchmarkPython asks about documents of 200 bytes from all processors at
// once; each question is two askings.
func BenchmarkPython(b *testing.B) {
	benchmark(b, python(b, "def resolve(base, revisions):\n    return dict(revisions[0], **revisions[1])\n", func(o *PythonOptions) { o.Workers = runtime.GOMAXPROCS(0) }))
}

// BenchmarkExec is the same with a program, in Node.
func BenchmarkExec(b *testing.B) {
	needNode(b)
	dir := folder(b, map[string]string{"resolve.js": `require("node:readline").createInterface({ input: process.stdin }).on("line", (line) => {
  const { id, revisions } = JSON.parse(line);
  console.log(JSON.stringify({ id, result: { ...revisions[0], ...revisions[1] } }));
});`})
	benchmark(b, command(b, ProcessOptions{Dir: dir}, "node", "resolve.js"))
}

func benchmark(b *testing.B, r couchmend.Resolver) {
	bodies := make([]string, 3)
	for i := range bodies {
		bodies[i] = fmt.Sprintf(`{"_id":"reading-1","_rev":"2-%d","type":"reading","seq":%d,"flow":1.5,"site":"north","tags":["a","b","c"],"note":"%0100d"}`, i, i, i)
	}
	revs := revisions(bodies...)
	if _, err := r.Resolve(b.Context(), nil, revs[:2]); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := r.Resolve(b.Context(), &revs[2], revs[:2]); err != nil {
				b.Error(err)
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "calls/s")
}

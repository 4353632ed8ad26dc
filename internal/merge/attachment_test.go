package merge

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/revtree"
)

// files reads "scan.png:red note.txt:old" as attachments with those contents.
func files(text string) []couchmend.Attachment {
	var attachments []couchmend.Attachment
	for _, file := range strings.Fields(text) {
		name, content, _ := strings.Cut(file, ":")
		attachments = append(attachments, couchmend.Attachment{Name: name, ContentType: "text/plain", Digest: "md5-" + content, Length: int64(len(content)), Data: []byte(content)})
	}
	return attachments
}

// filesMerged merges attachments of equal bodies; a "-" in base stands for no
// base at all.
func filesMerged(rule *Rule, base, winner, loser string) string {
	revisions := map[couchmend.Rev]couchmend.Revision{baseRev: {Rev: baseRev, Body: json.RawMessage(`{}`), Attachments: files(base)}}
	step := revtree.Step{Head: leafRev(1), How: revtree.ThreeWay, Base: revtree.Fold{Heads: []couchmend.Rev{baseRev}}}
	if base == "-" {
		step.How = revtree.NoBase
	}
	for i, text := range []string{winner, loser} {
		revisions[leafRev(i)] = couchmend.Revision{Rev: leafRev(i), Body: json.RawMessage(`{}`), Attachments: files(text)}
	}
	r, refusal := Merge(context.Background(), rule, "d", revtree.Fold{Heads: []couchmend.Rev{leafRev(0), leafRev(1)}, Steps: []revtree.Step{step}}, revisions)
	if refusal != nil {
		return "review: " + string(refusal.Reason)
	}
	var out []string
	for _, a := range r.Attachments {
		side := "winner"
		if a.From == leafRev(1) {
			side = "loser"
		}
		out = append(out, fmt.Sprintf("%s:%s from the %s", a.Name, a.Data, side))
	}
	return strings.Join(out, ", ")
}

func TestAttachmentsMergeByNameAndContent(t *testing.T) {
	for _, c := range []struct {
		name                string
		attachments         Attachments
		base, winner, loser string
		want                string
	}{
		{"the same on both sides is the winner's", "", "a:1", "a:1", "a:1", "a:1 from the winner"},
		{"added on both sides", "", "", "a:1", "b:2", "a:1 from the winner, b:2 from the loser"},
		{"added alike is the winner's", "", "", "a:1", "a:1", "a:1 from the winner"},
		{"changed by the loser", "", "a:1", "a:1", "a:2", "a:2 from the loser"},
		{"removed by the loser", "", "a:1 b:2", "a:1 b:2", "b:2", "b:2 from the winner"},
		{"removed by the winner", "", "a:1", "", "a:1 b:2", "b:2 from the loser"},
		{"changed differently", "", "a:1", "a:2", "a:3", "review: attachment"},
		{"changed differently, winner", AttachmentsWinner, "a:1", "a:2", "a:3", "a:2 from the winner"},
		{"changed differently, keep both", AttachmentsKeepBoth, "a.x.png:1", "a.x.png:2", "a.x.png:3", "a.x.png:2 from the winner, a.x (eeeeeeee).png:3 from the loser"},
		{"removed and changed, keep both", AttachmentsKeepBoth, "a:1", "", "a:3", "a:3 from the loser"},
		{"without a base", "", "-", "a:1", "", "review: no_base"},
		{"without a base, winner is no join", AttachmentsWinner, "-", "a:1", "a:2", "review: no_base"},
		{"without a base, keep both", AttachmentsKeepBoth, "-", "a:1", "b:2", "a:1 from the winner, b:2 from the loser"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := filesMerged(&Rule{Attachments: c.attachments}, c.base, c.winner, c.loser); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

func TestBothAreKeptOnlyUnderAFreeName(t *testing.T) {
	const name = "a (eeeeeeee)"
	rule := &Rule{Attachments: AttachmentsKeepBoth}
	base := []couchmend.Attachment{{Name: "a", Length: 1, Digest: "md5-1"}}
	for content, want := range map[string]int{"3": 2, "4": -1} {
		revisions := map[couchmend.Rev]couchmend.Revision{
			baseRev:    {Body: json.RawMessage(`{}`), Attachments: base},
			leafRev(0): {Body: json.RawMessage(`{}`), Attachments: append(files("a:2"), couchmend.Attachment{Name: name, ContentType: "text/plain", Length: 1, Digest: "md5-" + content})},
			leafRev(1): {Body: json.RawMessage(`{}`), Attachments: files("a:3")},
		}
		fold := revtree.Fold{Heads: []couchmend.Rev{leafRev(0), leafRev(1)}, Steps: []revtree.Step{{Head: leafRev(1), How: revtree.ThreeWay, Base: revtree.Fold{Heads: []couchmend.Rev{baseRev}}}}}
		r, refusal := Merge(context.Background(), rule, "d", fold, revisions)
		if want < 0 && (refusal == nil || refusal.Reason != couchmend.ReasonAttachment) || want > 0 && len(r.Attachments) != want {
			t.Errorf("the name holds %s: %v %v", content, r.Attachments, refusal)
		}
	}
}

func TestDigestsThatDifferProveNothingWhereLengthsAgree(t *testing.T) {
	plain := couchmend.Attachment{Name: "a", Length: 3, Digest: "md5-plain", Data: []byte("abc")}
	gzipped := couchmend.Attachment{Name: "a", Length: 3, Digest: "md5-gzip", Data: []byte("abc")}
	stub, other, typed := gzipped, gzipped, plain
	stub.Data, other.Data, typed.ContentType = nil, []byte("xyz"), "text/html"
	if !same(&plain, &gzipped) || same(&plain, &stub) || same(&plain, &other) || same(&plain, &typed) || same(&plain, nil) || !same(nil, nil) {
		t.Error("attachments are not compared by their bytes")
	}
}

func TestALargeAttachmentIsNotCarriedOver(t *testing.T) {
	rule := &Rule{MaxInline: 3}
	if got := filesMerged(rule, "", "big:12345", ""); got != "big:12345 from the winner" {
		t.Errorf("the winner's own: %s", got)
	}
	if got := filesMerged(rule, "", "", "big:12345"); got != "review: attachment" {
		t.Errorf("the loser's: %s", got)
	}
}

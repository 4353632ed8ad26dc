package demo

import (
	"fmt"

	"github.com/couchmend/couchmend"
)

// story is one document's: what happened to it while phones were offline, and
// what has to become of it.
type story struct {
	id    string
	title string
	tale  string
	// play is what happens before couchmend sees the document, later what a
	// phone does that was offline all the while.
	play, later func(*world) error
	// want is the document that everybody sees in the end; for a review, why.
	want   string
	files  []string
	review couchmend.Reason
	// compacted: the server's compaction takes the base before couchmend looks.
	compacted bool
}

// offline lets each phone save its version while it can't reach the server,
// then brings all together.
func offline(id, base, asha, ben string) func(*world) error {
	return func(w *world) error {
		if err := w.everywhere(id, base); err != nil {
			return err
		}
		if err := w.save(w.asha, id, asha); err != nil {
			return err
		}
		if err := w.save(w.ben, id, ben); err != nil {
			return err
		}
		return w.sync(w.asha, w.ben)
	}
}

var stories = []story{
	{
		id: "report-1", title: "A corrected date beside scheduled messages",
		tale: "Asha registers a pregnancy, sees that the date is wrong and corrects it. Meanwhile the server has scheduled messages for it.",
		play: func(w *world) error {
			if err := w.everywhere("report-1", `{"type":"data_record","form":"pregnancy","fields":{"lmp":"2026-07-01"},"scheduled_tasks":[]}`); err != nil {
				return err
			}
			if err := w.save(w.asha, "report-1", `{"type":"data_record","form":"pregnancy","fields":{"lmp":"2026-08-01"},"scheduled_tasks":[]}`); err != nil {
				return err
			}
			if err := w.save(w.server, "report-1", `{"type":"data_record","form":"pregnancy","fields":{"lmp":"2026-07-01"},"scheduled_tasks":[{"group":1,"due":"2026-10-01"}]}`); err != nil {
				return err
			}
			return w.sync(w.asha, w.ben)
		},
		want: `{"type":"data_record","form":"pregnancy","fields":{"lmp":"2026-08-01"},"scheduled_tasks":[{"group":1,"due":"2026-10-01"}]}`,
	},
	{
		id: "report-2", title: "Two people read it at the same time",
		tale: "The classic from every on-call channel: who has read a report is kept in the report.",
		play: offline("report-2", `{"type":"data_record","read":[]}`, `{"type":"data_record","read":["asha"]}`, `{"type":"data_record","read":["ben"]}`),
		want: `{"type":"data_record","read":["asha","ben"]}`,
	},
	{
		id: "report-3", title: "A visit counted on each of two phones",
		tale: "Three visits so far. Asha adds one, Ben adds two; and neither knows of the other.",
		play: offline("report-3", `{"type":"data_record","fields":{"visits":3}}`, `{"type":"data_record","fields":{"visits":4}}`, `{"type":"data_record","fields":{"visits":5}}`),
		want: `{"type":"data_record","fields":{"visits":6}}`,
	},
	{
		id: "person-1", title: "The same field, edited differently",
		tale: "Two spellings of one name. Nobody but a person can know: couchmend does not guess, it puts the document into review.",
		play: offline("person-1", `{"type":"person","name":"Aminata"}`, `{"type":"person","name":"Aminata K."}`, `{"type":"person","name":"Amina"}`), review: couchmend.ReasonOverlap,
	},
	{
		id: "report-4", title: "Five offline edits deep",
		tale: "Ben fills in a long form over five days without a network; the supervisor answers on the server.",
		play: func(w *world) error {
			if err := w.everywhere("report-4", `{"type":"data_record","step":0,"note":""}`); err != nil {
				return err
			}
			for day := 1; day <= 5; day++ {
				if err := w.save(w.ben, "report-4", fmt.Sprintf(`{"type":"data_record","step":%d,"note":""}`, day)); err != nil {
					return err
				}
			}
			if err := w.save(w.server, "report-4", `{"type":"data_record","step":0,"note":"please finish"}`); err != nil {
				return err
			}
			return w.sync(w.ben, w.asha)
		},
		want: `{"type":"data_record","step":5,"note":"please finish"}`,
	},
	{
		id: "person-2", title: "A deletion beside an edit",
		tale: "Asha deletes a contact that Ben has just given a phone number. The rule says that edits win.",
		play: func(w *world) error {
			if err := w.everywhere("person-2", `{"type":"person","name":"Fatou"}`); err != nil {
				return err
			}
			if err := w.remove(w.asha, "person-2"); err != nil {
				return err
			}
			if err := w.save(w.ben, "person-2", `{"type":"person","name":"Fatou","phone":"+223 555 0101"}`); err != nil {
				return err
			}
			return w.sync(w.asha, w.ben)
		},
		want: `{"type":"person","name":"Fatou","phone":"+223 555 0101"}`,
	},
	{
		id: "person-3", title: "The same edit, twice",
		tale: "Both close the case; two versions of the app write the keys in another order, so CouchDB sees two revisions.",
		play: offline("person-3", `{"type":"person","name":"Oumar","case":"open"}`, `{"type":"person","name":"Oumar","case":"closed"}`, `{"case":"closed","name":"Oumar","type":"person"}`),
		want: `{"type":"person","name":"Oumar","case":"closed"}`,
	},
	{
		id: "report-5", title: "A phone goes on editing what was merged long ago",
		tale: "Asha is back in the network and her branch is merged. Ben, still offline, edits on from the losing branch. The marks in the merge's path tell what it contains, so only his new edit is news.",
		play: func(w *world) error {
			if err := w.everywhere("report-5", `{"type":"data_record","fields":{"visits":1},"place":"","weight":0}`); err != nil {
				return err
			}
			if err := w.save(w.asha, "report-5", `{"type":"data_record","fields":{"visits":2},"place":"Kayes","weight":0}`); err != nil {
				return err
			}
			if err := w.save(w.ben, "report-5", `{"type":"data_record","fields":{"visits":2},"place":"","weight":61}`); err != nil {
				return err
			}
			return w.sync(w.asha, w.ben)
		},
		later: func(w *world) error { // on top of his own save: he has not seen the merge
			for _, leaf := range w.ben.db.Leaves("report-5") {
				if w.savedBy[leaf.Rev] == w.ben.name {
					return w.saveOn(w.ben, "report-5", leaf.Rev, `{"type":"data_record","fields":{"visits":3},"place":"","weight":62}`)
				}
			}
			return fmt.Errorf("report-5: %s has lost its own save", w.ben.name)
		},
		want: `{"type":"data_record","fields":{"visits":4},"place":"Kayes","weight":62}`,
	},
	{
		id: "report-6", title: "A base that compaction has taken",
		tale: "The server was compacted before the phones came back: what both grew from is gone. A list of readers can be joined without it.",
		play: offline("report-6", `{"type":"data_record","read":["sup"]}`, `{"type":"data_record","read":["asha","sup"]}`, `{"type":"data_record","read":["ben","sup"]}`),
		want: `{"type":"data_record","read":["asha","ben","sup"]}`, compacted: true,
	},
	{
		id: "person-4", title: "A base that compaction has taken, and a field that needs it",
		tale: "Which of the two phone numbers is the old one? Without the base nobody can tell, so nobody guesses.",
		play: offline("person-4", `{"type":"person","phone":"1"}`, `{"type":"person","phone":"2"}`, `{"type":"person","phone":"1","name":"Sira"}`), review: couchmend.ReasonNoBase, compacted: true,
	},
	{
		id: "report-7", title: "A photograph from each side",
		tale: "Both attach one, and both are called wound.jpg.",
		play: func(w *world) error {
			if err := w.everywhere("report-7", `{"type":"data_record","form":"wound"}`); err != nil {
				return err
			}
			if err := w.save(w.asha, "report-7", `{"type":"data_record","form":"wound"}`, file{"wound.jpg", "image/jpeg", "as Asha saw it"}, file{"consent.txt", "text/plain", "signed"}); err != nil {
				return err
			}
			if err := w.save(w.ben, "report-7", `{"type":"data_record","form":"wound"}`, file{"wound.jpg", "image/jpeg", "as Ben saw it, on the next day"}); err != nil {
				return err
			}
			return w.sync(w.asha, w.ben)
		},
		want: `{"type":"data_record","form":"wound"}`, files: []string{"as Asha saw it", "as Ben saw it, on the next day", "signed"},
	},
	{
		id: "7FADDF76", title: "One id, drawn for two different things",
		tale: "Two phones generate the same UUID: one for a person, one for a report. There is no common root, so there is nothing to merge.",
		play: func(w *world) error {
			if err := w.save(w.asha, "7FADDF76", `{"type":"person","name":"Kadi"}`); err != nil {
				return err
			}
			if err := w.save(w.ben, "7FADDF76", `{"type":"data_record","form":"delivery"}`); err != nil {
				return err
			}
			return w.sync(w.asha, w.ben)
		},
		review: couchmend.ReasonTwoRoots,
	},
}

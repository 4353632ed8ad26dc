package main

import (
	"os"

	"github.com/couchmend/couchmend/internal/document"
	"github.com/couchmend/couchmend/mend"
)

// place is the arguments that name one document.
type place struct {
	DB string `arg:"" name:"db" help:"The database."`
	ID string `arg:"" name:"doc" help:"The document's id, as it is: nothing in it is to be escaped. Write -- before one that begins with a dash."`
}

// person is who decides, for the journal.
type person struct {
	By   string `env:"COUCHMEND_BY" help:"Who decides, for the journal. Default: the user's name."`
	Note string `help:"A few words for the journal."`
}

func (p person) name() string {
	for _, name := range []string{p.By, os.Getenv("USER"), os.Getenv("USERNAME")} {
		if name != "" {
			return name
		}
	}
	return "a person"
}

// look reads a document and all that couchmend knows about it.
func (p place) look(a *app, c *mend.Couchmend) (*document.Sight, error) {
	return document.Look(a.ctx, c.Mender, p.DB, p.ID)
}

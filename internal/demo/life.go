package demo

import (
	"context"
	"encoding/json"
	"fmt"
	"time"
)

const (
	// lifeEvery is how often the phones meet the server while the demo is up.
	lifeEvery = 3 * time.Second
	// households and patients are how many documents they go on working at:
	// the same ones again and again, as in a real clinic.
	households, patients = 9, 8
	// deepest is how many live revisions a patient's document comes to have, at
	// most, if nobody decides on it.
	deepest = 6
)

// surnames are what patients are called, by one phone and by the other.
var surnames = [][2]string{
	{"Traoré", "Traore"}, {"Keita", "Kéïta"}, {"Diallo", "Jallow"}, {"Okafor", "Okafo"},
	{"N'Diaye", "Ndiaye"}, {"Mensah", "Menza"}, {"Bangura", "Bangoura"}, {"Sesay", "Sessay"},
}

// live lets the clinic go on until ctx ends: both phones work offline, and meet
// the server. Most of what comes of it is merged; now and then a name is spelled
// in two ways, and waits for a person.
func (w *world) live(ctx context.Context) error {
	for n := 0; ; n++ {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(lifeEvery):
		}
		var err error
		switch {
		case n%4 == 1:
			err = w.spell(n / 4 % patients)
		default:
			err = w.visit(n * n % households)
		}
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// visit is a household that both see on one day: visits are counted on both
// phones, and one of them notes who read of it.
func (w *world) visit(n int) error {
	id := fmt.Sprintf("household-%d", n+1)
	var now struct {
		Fields struct{ Visits int }
	}
	if leaves := w.asha.live(id); len(leaves) > 0 {
		if err := json.Unmarshal(leaves[0].Body, &now); err != nil {
			return err
		}
	} else if err := w.everywhere(id, `{"type":"data_record","form":"visit","read":[],"fields":{"visits":0}}`); err != nil {
		return err
	}
	body := `{"type":"data_record","form":"visit","read":[%q],"fields":{"visits":%d}}`
	if err := w.save(w.asha, id, fmt.Sprintf(body, "asha", now.Fields.Visits+1)); err != nil {
		return err
	}
	if err := w.save(w.ben, id, fmt.Sprintf(body, "ben", now.Fields.Visits+2)); err != nil {
		return err
	}
	return w.sync(w.asha, w.ben, w.asha)
}

// spell is a patient whose name the phones do not agree about.
func (w *world) spell(n int) error {
	id := fmt.Sprintf("patient-%d", n+1)
	leaves := w.asha.live(id)
	if len(leaves) >= deepest {
		return nil
	}
	if len(leaves) == 0 {
		if err := w.everywhere(id, `{"type":"person","name":"?","village":"Kono"}`); err != nil {
			return err
		}
	}
	body := `{"type":"person","name":%q,"village":"Kono","seen":%d}`
	for i, phone := range []*place{w.asha, w.ben} {
		if err := w.save(phone, id, fmt.Sprintf(body, surnames[n][i], len(leaves))); err != nil {
			return err
		}
	}
	return w.sync(w.asha, w.ben, w.asha)
}

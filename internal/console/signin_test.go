package console

import (
	"strings"
	"testing"
)

func TestASignedInPersonSeesTheOverviewUnderTheirName(t *testing.T) {
	c := newClinic(t, nil)
	c.users()
	b := c.browser()
	if got := b.get("/"); got.path != "/sign-in?next=%2F" {
		t.Fatalf("whoever is not signed in lands at %s", got.path)
	}
	if got := b.signIn("asha", "pw"); got.path != "/" || !strings.Contains(got.text, "asha") {
		t.Fatalf("signed in, at %s: %s", got.path, got.text)
	}
	if got := b.post("/", "/sign-out", nil); got.path != "/sign-in" {
		t.Errorf("signed out, at %s", got.path)
	}
	if got := b.get("/"); got.path != "/sign-in?next=%2F" {
		t.Errorf("after signing out it shows %s", got.path)
	}
}

func TestWhereCouchDBHasNoUsersNobodyNeedsToSignIn(t *testing.T) {
	c := newClinic(t, nil)
	if got := c.browser().get("/"); got.status != 200 || got.path != "/" || !strings.Contains(got.text, "nobody") {
		t.Errorf("got %d at %s: %s", got.status, got.path, got.text)
	}
}

package collision

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/couchmend/couchmend/internal/merge"
)

// Place is where a value stands in a document: the way down from its top. As
// JSON it is an array of names and numbers, ["tasks",2,"patient"].
type Place []Step

// Step goes one level down: to the member Name of an object or, where Element
// is set, to the element Index of an array, counted from 0.
type Step struct {
	Name    string
	Index   int
	Element bool
}

// String writes the place for people, dotted as merge.Path is: "tasks.2.patient".
// It does not tell an element from a member whose name is a number.
func (p Place) String() string {
	path := make(merge.Path, len(p))
	for i, s := range p {
		path[i] = s.String()
	}
	return path.String()
}

func (s Step) String() string {
	if s.Element {
		return strconv.Itoa(s.Index)
	}
	return s.Name
}

// MarshalJSON writes a member's name or an element's index.
func (s Step) MarshalJSON() ([]byte, error) {
	if s.Element {
		return json.Marshal(s.Index)
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	err := enc.Encode(s.Name)
	return b.Bytes(), err
}

// UnmarshalJSON reads what MarshalJSON wrote.
func (s *Step) UnmarshalJSON(text []byte) error {
	if strings.HasPrefix(string(text), `"`) {
		*s = Step{}
		return json.Unmarshal(text, &s.Name)
	}
	index, err := strconv.Atoi(string(text))
	if err != nil || index < 0 {
		return fmt.Errorf("%s is no step: want a name or the number of an element", text)
	}
	*s = Step{Index: index, Element: true}
	return nil
}

package resolver_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/couchmend/couchmend"
	"github.com/couchmend/couchmend/internal/resolver"
)

func ExampleNewStarlark() {
	person, err := resolver.NewStarlark(resolver.StarlarkOptions{Dir: "testdata/starlark", File: "person.star"})
	if err != nil {
		fmt.Println(err)
		return
	}
	revision := func(rev, body string) couchmend.Revision {
		return couchmend.Revision{Rev: couchmend.MustRev(rev), Body: json.RawMessage(body)}
	}
	base := revision("1-a", `{"_id":"ann","_rev":"1-a","name":"Ann","visits":3,"edit_count":1}`)
	leaves := []couchmend.Revision{
		revision("2-b", `{"_id":"ann","_rev":"2-b","name":"Ann","visits":4,"edit_count":2,"tags":["north"]}`),
		revision("2-a", `{"_id":"ann","_rev":"2-a","name":"Anna","visits":5,"edit_count":3,"tags":["adult"]}`),
	}
	merged, err := person.Resolve(context.Background(), &base, leaves)
	fmt.Println(string(merged), err)

	_, err = person.Resolve(context.Background(), nil, leaves)
	fmt.Println(err, errors.Is(err, couchmend.ErrReview))
	// Output:
	// {"_id":"ann","_rev":"2-a","name":"Anna","visits":6,"edit_count":3,"tags":["adult","north"]} <nil>
	// visits differ, and nobody knows what they were before true
}

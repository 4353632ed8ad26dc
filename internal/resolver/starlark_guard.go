package resolver

import (
	"strings"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"
)

// Starlark has no limit of memory and no hook to put one: "x" * n takes what n
// says in a single step. So the operations that make much out of little go
// through functions of ours that work out the size of the result first.
// Operators and methods can't be replaced, but their operands can. guard
// rewrites
//
//	x + y      to  x + ⟨+⟩(y)         which refuses a large y
//	x * y      to  x * ⟨*⟩(y)         a factor
//	x % y      to  ⟨%⟩(x) % y         a format, where x is a string
//	x.join(…)  to  ⟨.⟩(x).join(…)     a text, where x is a string
//
// These names are no identifiers: no script can call or hide them.
const (
	guardPlus   = "⟨+⟩"
	guardFactor = "⟨*⟩"
	guardFormat = "⟨%⟩"
	guardFilled = "⟨%=⟩"
	guardText   = "⟨.⟩"
)

// guard rewrites a file whose names are not resolved yet.
func guard(file *syntax.File) {
	syntax.Walk(file, func(n syntax.Node) bool {
		switch n := n.(type) {
		case *syntax.BinaryExpr:
			switch n.Op {
			case syntax.PLUS:
				n.Y = guarded(guardPlus, n.OpPos, n.Y)
			case syntax.STAR:
				n.Y = guarded(guardFactor, n.OpPos, n.Y)
			case syntax.PERCENT:
				n.X = guarded(guardFormat, n.OpPos, n.X)
			}
		case *syntax.AssignStmt:
			switch n.Op {
			case syntax.PLUS_EQ:
				n.RHS = guarded(guardPlus, n.OpPos, n.RHS)
			case syntax.STAR_EQ:
				n.RHS = guarded(guardFactor, n.OpPos, n.RHS)
			case syntax.PERCENT_EQ:
				n.RHS = guarded(guardFilled, n.OpPos, n.RHS)
			}
		case *syntax.DotExpr:
			if textMethods[n.Name.Name] != nil {
				n.X = guarded(guardText, n.Dot, n.X)
			}
		}
		return true
	})
}

func guarded(name string, at syntax.Position, x syntax.Expr) syntax.Expr {
	if _, literal := x.(*syntax.Literal); literal && name == guardPlus {
		return x // no larger than the file
	}
	return &syntax.CallExpr{Fn: &syntax.Ident{NamePos: at, Name: name}, Lparen: at, Args: []syntax.Expr{x}, Rparen: at}
}

// guards are the functions that guard calls, and those of Starlark's own that
// make much out of little themselves.
func (g gulp) guards() starlark.StringDict {
	operand := func(name string, of func(starlark.Value) (starlark.Value, error)) *starlark.Builtin {
		return starlark.NewBuiltin(name, func(_ *starlark.Thread, _ *starlark.Builtin, args starlark.Tuple, _ []starlark.Tuple) (starlark.Value, error) {
			return of(args[0])
		})
	}
	all := starlark.StringDict{
		guardPlus:   operand(guardPlus, g.added),
		guardFilled: operand(guardFilled, g.filling),
		guardFactor: operand(guardFactor, func(y starlark.Value) (starlark.Value, error) { return g.asFactor(y), nil }),
		guardFormat: operand(guardFormat, func(x starlark.Value) (starlark.Value, error) { return g.asFormat(x), nil }),
		guardText:   operand(guardText, func(x starlark.Value) (starlark.Value, error) { return g.asText(x), nil }),
		"getattr":   starlark.NewBuiltin("getattr", g.getattr),
		"range":     starlark.NewBuiltin("range", g.ranged),
	}
	for name, check := range map[string]allowance{
		"str": g.printable, "repr": g.printable, "print": g.printable, "fail": g.printable,
		"int": g.parsable, "zip": g.zipped,
	} {
		all[name] = checked(starlark.Universe[name].(*starlark.Builtin), check)
	}
	return all
}

// allowance is an error where a function's result would be too large.
type allowance func(args starlark.Tuple, kwargs []starlark.Tuple) error

// checked is a built-in function that is called when its arguments pass.
func checked(b *starlark.Builtin, allowed allowance) *starlark.Builtin {
	return starlark.NewBuiltin(b.Name(), func(thread *starlark.Thread, _ *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
		if err := allowed(args, kwargs); err != nil {
			return nil, err
		}
		return b.CallInternal(thread, args, kwargs)
	})
}

// guardedFactor is y of x * y.
type guardedFactor struct {
	starlark.Value
	gulp gulp
}

func (g gulp) asFactor(y starlark.Value) starlark.Value {
	if _, ok := y.(starlark.Float); ok {
		return y
	}
	return guardedFactor{y, g}
}

// Binary multiplies.
func (f guardedFactor) Binary(op syntax.Token, x starlark.Value, _ starlark.Side) (starlark.Value, error) {
	if err := f.gulp.product(x, f.Value); err != nil {
		return nil, err
	}
	return starlark.Binary(op, x, f.Value)
}

// guardedFormat is x of x % y, a string.
type guardedFormat struct {
	starlark.Value // a String
	gulp           gulp
}

func (g gulp) asFormat(x starlark.Value) starlark.Value {
	if s, ok := x.(starlark.String); ok {
		return guardedFormat{s, g}
	}
	return x
}

// Binary fills in the format.
func (f guardedFormat) Binary(op syntax.Token, y starlark.Value, _ starlark.Side) (starlark.Value, error) {
	s, _ := starlark.AsString(f.Value)
	times := 1
	if _, ok := y.(starlark.Mapping); ok {
		times = strings.Count(s, "%")
	}
	if err := f.gulp.filled(s, times, y); err != nil {
		return nil, err
	}
	return starlark.Binary(op, f.Value, y)
}

// guardedText is x of x.join(…) and of other methods of strings that make much
// out of little.
type guardedText struct {
	starlark.Value // a String
	gulp           gulp
}

func (g gulp) asText(x starlark.Value) starlark.Value {
	if s, ok := x.(starlark.String); ok {
		return guardedText{s, g}
	}
	return x
}

// AttrNames are those of a string.
func (t guardedText) AttrNames() []string { return t.Value.(starlark.String).AttrNames() }

// Attr returns a method that looks at its arguments first.
func (t guardedText) Attr(name string) (starlark.Value, error) {
	s := t.Value.(starlark.String)
	method, err := s.Attr(name)
	allowed := textMethods[name]
	if method == nil || allowed == nil || err != nil {
		return method, err
	}
	return checked(method.(*starlark.Builtin), func(args starlark.Tuple, kwargs []starlark.Tuple) error {
		return allowed(t.gulp, string(s), args, kwargs)
	}), nil
}

// getattr is Starlark's own for x.name, which must not go around guard.
func (g gulp) getattr(thread *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	if len(args) > 0 {
		args[0] = g.asText(args[0])
	}
	return starlark.Universe["getattr"].(*starlark.Builtin).CallInternal(thread, args, kwargs)
}

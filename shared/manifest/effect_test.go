package manifest_test

import (
	"encoding/json"
	"testing"

	"github.com/hearthfaas/hearth/shared/manifest"
)

func TestEffectOf(t *testing.T) {
	read, undoable := manifest.Op{Effect: manifest.Read}, manifest.Op{Effect: manifest.Compensable, Undo: true}
	sends := manifest.Op{Effect: manifest.Irreversible}
	byCase := manifest.Manifest{Effect: manifest.Irreversible, Undo: true, Cases: []manifest.Case{
		{Given: "undo_request", Param: "method", In: []string{"POST"}, Op: undoable},
		{Param: "method", In: []string{"GET", "HEAD"}, Op: read},
	}}
	byOp := manifest.Manifest{Effect: manifest.Compensable, Undo: true, Ops: map[string]manifest.Op{"read": read}}
	plain := manifest.Manifest{Effect: manifest.Compensable, Undo: true}
	for _, c := range []struct {
		m      manifest.Manifest
		params string
		want   manifest.Op
	}{
		{byCase, `{"method":"GET"}`, read},
		{byCase, `{"method":"HEAD","undo_request":{}}`, read},
		{byCase, `{"method":"POST","undo_request":{}}`, undoable},
		{byCase, `{"method":"POST"}`, sends},
		{byCase, `{"method":"{{item}}","undo_request":{}}`, sends},
		{byCase, `{"method":["GET"]}`, sends},
		{byCase, `{}`, sends},
		{byCase, `nonsense`, sends},
		{byOp, `{"op":"read"}`, read},
		{byOp, `{"op":"write"}`, undoable},
		{byOp, ``, undoable},
		{plain, `{}`, undoable},
	} {
		if got := c.m.EffectOf(json.RawMessage(c.params)); got != c.want {
			t.Errorf("%s: %+v, want %+v", c.params, got, c.want)
		}
	}
}

package model

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"

	"github.com/hearthfaas/hearth/shared/manifest"
)

// maxSchemaDepth bounds what is taken over of a plugin's schema.
const maxSchemaDepth = 6

// planSchema is the schema of a draft over these tools: reasoning, and then either steps or a question,
// never both, for small models fill in whatever field there is. The order of the fields is the order in
// which a model writes them: it thinks before it decides. The field that is not meant may be there empty,
// as models without a constraint like to have it.
func planSchema(tools []manifest.Manifest) json.RawMessage {
	const object = `{"type":"object","additionalProperties":false,"required":["reasoning",`
	const reasoning = `"reasoning":{"type":"string","maxLength":400},`
	var b bytes.Buffer
	b.WriteString(`{"type":"object","anyOf":[` +
		object + `"ask"],"properties":{` + reasoning + `"ask":{"type":"string","minLength":1,"maxLength":200},"steps":{"const":[]}}},` +
		object + `"steps"],"properties":{` + reasoning + `"ask":{"const":""},` +
		`"steps":{"type":"array","maxItems":` + string(encode(maxPlanSteps)) + `,"items":{"anyOf":[`)
	for i, tool := range tools {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(`{"type":"object","additionalProperties":false,"required":["id","plugin","params"],"properties":{` +
			`"id":{"type":"string","pattern":"^[a-z][a-z0-9_]{0,19}$"},"plugin":{"const":`)
		b.Write(encode(tool.ID))
		b.WriteString(`},"params":`)
		b.Write(encode(planParams(tool.Params)))
		b.WriteString(`}}`)
	}
	b.WriteString(`]}}}}]}`)
	return b.Bytes()
}

// planParams returns a plugin's schema as a planner may fill it in: without the keywords that constrained
// decoders stumble over, and with a reference such as {{steps.query.rows}} allowed wherever a value is.
// A schema that cannot be read allows any object; the executor validates against the real one.
//
// The form of a reference excludes quotes and braces, and it stands beside a schema only where a text is not
// allowed anyway. llama-server takes a pattern for the raw JSON between the quotes: one that lets a quote
// through runs on over the fields that follow, until nothing fits and the answer breaks off.
func planParams(raw json.RawMessage) map[string]any {
	var s map[string]any
	if err := json.Unmarshal(raw, &s); err != nil || s["properties"] == nil {
		return map[string]any{"type": "object"}
	}
	params := simple(s, 0)
	properties, _ := params["properties"].(map[string]any)
	for name, p := range properties {
		if p, ok := p.(map[string]any); ok && !allowsText(p) {
			properties[name] = map[string]any{"anyOf": []any{p, map[string]any{"type": "string", "pattern": reference}}}
		}
	}
	return params
}

// reference is the form of a text that is one {{expression}}.
const reference = `^\{\{[^"{}\\\r\n\t]{1,200}\}\}$`

// allowsText reports whether any text fits a simple schema.
func allowsText(s map[string]any) bool {
	if options, ok := s["anyOf"].([]any); ok {
		return slices.ContainsFunc(options, func(o any) bool {
			option, ok := o.(map[string]any)
			return ok && allowsText(option)
		})
	}
	return s["enum"] == nil && s["const"] == nil && (s["type"] == nil || s["type"] == "string")
}

// portable are the keywords that all servers understand.
var portable = []string{"type", "required", "enum", "const", "additionalProperties", "minItems", "maxItems"}

func simple(s map[string]any, depth int) map[string]any {
	out := map[string]any{}
	if depth > maxSchemaDepth {
		return out
	}
	for _, keyword := range portable {
		if v, ok := s[keyword]; ok {
			out[keyword] = v
		}
	}
	if kinds, ok := out["type"].([]any); ok { // Go's slices and maps may be null; nobody needs to say so
		out["type"] = kinds[0]
		if i := slices.IndexFunc(kinds, func(k any) bool { return k != "null" }); i >= 0 {
			out["type"] = kinds[i]
		}
	}
	if items, ok := s["items"].(map[string]any); ok {
		out["items"] = simple(items, depth+1)
	}
	if properties, ok := s["properties"].(map[string]any); ok {
		kept := map[string]any{}
		for name, p := range maps.All(properties) {
			if p, ok := p.(map[string]any); ok {
				kept[name] = simple(p, depth+1)
			}
		}
		out["properties"] = kept
	}
	for _, keyword := range []string{"anyOf", "oneOf"} {
		if options, ok := s[keyword].([]any); ok {
			out["anyOf"] = simpleAll(options, depth+1)
		}
	}
	return out
}

func simpleAll(options []any, depth int) []any {
	var out []any
	for _, o := range options {
		if o, ok := o.(map[string]any); ok {
			out = append(out, simple(o, depth))
		}
	}
	return out
}

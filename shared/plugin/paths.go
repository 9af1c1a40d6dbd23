package plugin

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/google/jsonschema-go/jsonschema"

	"github.com/hearthfaas/hearth/shared/fault"
	"github.com/hearthfaas/hearth/shared/manifest"
)

// The modes of a Grant and the values of x-file.
const (
	ModeRead  = "read"
	ModeWrite = "write"
)

// File is a workspace path found in parameters.
type File struct {
	Place string // where it stands, such as "params.attachments[0]"
	Path  string // as it stands there
	Mode  string // ModeRead or ModeWrite
}

// Files returns the workspace paths in params that a manifest's schema marks with x-file, in the order
// of their places. Empty paths are left out. The executor asks system-files to grant exactly these.
func Files(schema, params json.RawMessage) ([]File, error) {
	var s jsonschema.Schema
	if err := json.Unmarshal(schema, &s); err != nil {
		return nil, fault.As(fault.Invalid, err, "the manifest's schema of the parameters is broken")
	}
	if len(params) == 0 {
		return nil, nil
	}
	var v any
	if err := json.Unmarshal(params, &v); err != nil {
		return nil, fault.As(fault.Invalid, err, "the parameters are not JSON").At("params")
	}
	return files(nil, &s, v, "params"), nil
}

func files(found []File, s *jsonschema.Schema, v any, place string) []File {
	switch v := v.(type) {
	case string:
		if mode, marked := s.Extra[manifest.File].(string); marked && v != "" {
			found = append(found, File{Place: place, Path: v, Mode: mode})
		}
	case []any:
		for i, item := range v {
			if s.Items != nil {
				found = files(found, s.Items, item, fmt.Sprintf("%s[%d]", place, i))
			}
		}
	case map[string]any:
		for _, name := range slices.Sorted(maps.Keys(v)) {
			if property := s.Properties[name]; property != nil {
				found = files(found, property, v[name], place+"."+name)
			}
		}
	}
	return found
}

package workspace

import (
	"mime"
	"path"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"github.com/hearthfaas/hearth/shared/fault"
)

// Bounds of a path.
const (
	maxPath  = 1024 // bytes
	maxName  = 255  // bytes of one name in it
	maxDepth = 64   // names
)

// Folders with a meaning.
const (
	Templates = "/templates" // falls back to the shared workspace of TemplatesOwner
	Trash     = "/.trash"    // where deleted files lie
)

// Clean returns the one form of a path: absolute from the workspace's root, which a relative path also
// starts from. The error is Invalid for everything that two readers could understand differently: "..",
// control and invisible characters, backslashes, decomposed characters, look-alikes of separators.
func Clean(name string) (string, error) {
	if err := plain(name); err != nil {
		return "", err
	}
	for _, part := range strings.Split(name, "/") {
		if part == ".." {
			return "", invalid(name, `".." leads out of the workspace`)
		}
		if len(part) > maxName {
			return "", invalid(name, "a name in it is over %d bytes", maxName)
		}
		if strings.TrimSpace(part) != part {
			return "", invalid(name, "a name in it begins or ends with a space")
		}
	}
	clean := path.Clean("/" + name)
	if clean == "/" || strings.HasSuffix(name, "/") {
		return "", invalid(name, "it names a folder, not a file")
	}
	if len(clean) > maxPath || strings.Count(clean, "/") > maxDepth {
		return "", invalid(name, "over %d bytes or %d folders", maxPath, maxDepth)
	}
	return clean, nil
}

// Folder is Clean for a folder, which may be the root and end with a slash.
func Folder(name string) (string, error) {
	trimmed := strings.Trim(name, "/")
	if trimmed == "" || trimmed == "." {
		return "/", nil
	}
	return Clean(trimmed)
}

// plain refuses characters that have no place in a path.
func plain(name string) error {
	if len(name) > 2*maxPath || !utf8.ValidString(name) {
		return invalid(name, "too long, or not UTF-8")
	}
	for _, r := range name {
		if unicode.IsControl(r) || unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp, unicode.Co) || r == utf8.RuneError {
			return invalid(name, "it has a control or invisible character, %U", r)
		}
		if r == '\\' {
			return invalid(name, "folders are separated by / and not by a backslash")
		}
	}
	if !norm.NFC.IsNormalString(name) {
		return invalid(name, "it has decomposed characters; write them composed (Unicode NFC)")
	}
	return folded(name)
}

// folded refuses a name that compatibility characters hide dots or separators in, such as the full-width
// ones: a system that folds them would see another path.
func folded(name string) error {
	fold := norm.NFKC.String(name)
	if strings.Count(fold, "/") != strings.Count(name, "/") || strings.Contains(fold, "\\") {
		return invalid(name, "it has a look-alike of a separator")
	}
	for _, part := range strings.Split(name, "/") {
		if f := norm.NFKC.String(part); f != part && strings.Trim(f, ".") == "" {
			return invalid(name, "it has a look-alike of dots")
		}
	}
	return nil
}

func invalid(name, format string, args ...any) error {
	return fault.New(fault.Invalid, "%.200q is not a path: "+format, append([]any{name}, args...)...)
}

// Under reports whether a clean path lies in a clean folder, or is it.
func Under(name, folder string) bool {
	return folder == "/" || name == folder || strings.HasPrefix(name, folder+"/")
}

// types are the content types of files that people work with. The host's own table differs from machine
// to machine, and knows none of the office formats on a small one.
var types = map[string]string{
	".csv":  "text/csv; charset=utf-8",
	".docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
	".gif":  "image/gif",
	".htm":  "text/html; charset=utf-8",
	".html": "text/html; charset=utf-8",
	".jpeg": "image/jpeg",
	".jpg":  "image/jpeg",
	".json": "application/json",
	".md":   "text/markdown; charset=utf-8",
	".pdf":  "application/pdf",
	".png":  "image/png",
	".pptx": "application/vnd.openxmlformats-officedocument.presentationml.presentation",
	".txt":  "text/plain; charset=utf-8",
	".xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
	".yaml": "application/yaml",
	".yml":  "application/yaml",
	".zip":  "application/zip",
}

// TypeOf returns the content type that a path's extension stands for.
func TypeOf(name string) string {
	ext := strings.ToLower(path.Ext(name))
	if t, known := types[ext]; known {
		return t
	}
	if t := mime.TypeByExtension(ext); t != "" {
		return t
	}
	return "application/octet-stream"
}

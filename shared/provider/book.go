package provider

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/hearthfaas/hearth/shared/fault"
)

// book is what people changed about the deployments. It outlives the provider. The provider's deploying
// lock guards it.
type book struct {
	path string

	Deployed []Deployment `json:"deployed"`
	Removed  []string     `json:"removed"` // functions of the executable that are not deployed
}

// openBook reads the book. A missing file is an empty one.
func openBook(path string) (*book, error) {
	b := &book{path: path}
	raw, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return b, nil
	}
	if err == nil {
		err = json.Unmarshal(raw, b)
	}
	if err != nil {
		return nil, fault.As(fault.Unavailable, err, "what was deployed cannot be read").At(path).
			Try("mend the file, or move it away and deploy anew")
	}
	return b, nil
}

// find returns the deployment of a name that somebody asked for.
func (b *book) find(name string) (Deployment, bool) {
	i := slices.IndexFunc(b.Deployed, func(d Deployment) bool { return d.Name == name })
	if i < 0 {
		return Deployment{}, false
	}
	return b.Deployed[i], true
}

// removed reports whether a function of the executable is not deployed.
func (b *book) removed(name string) bool { return slices.Contains(b.Removed, name) }

// put records a deployment, in the place of the one with its name.
func (b *book) put(d Deployment) error {
	next := b.without(d.Name)
	next.Deployed = append(next.Deployed, d)
	return b.become(next)
}

// remove records that a function is not deployed. own says that it would be by itself.
func (b *book) remove(name string, own bool) error {
	next := b.without(name)
	if own {
		next.Removed = append(next.Removed, name)
	}
	return b.become(next)
}

// without is a copy that knows nothing of a name.
func (b *book) without(name string) *book {
	return &book{
		path:     b.path,
		Deployed: slices.DeleteFunc(slices.Clone(b.Deployed), func(d Deployment) bool { return d.Name == name }),
		Removed:  slices.DeleteFunc(slices.Clone(b.Removed), func(n string) bool { return n == name }),
	}
}

// become writes next to disk, and then takes it over.
func (b *book) become(next *book) error {
	raw, err := json.MarshalIndent(next, "", "\t")
	if err == nil {
		err = writeDurably(b.path, raw)
	}
	if err != nil {
		return fault.As(fault.Unavailable, err, "the deployment cannot be kept on disk").At(b.path)
	}
	*b = *next
	return nil
}

// writeDurably gives a file new content at once and for good: readers and crashes never see half of it.
func writeDurably(path string, content []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), temporary+"*") // 0600
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return syncDir(filepath.Dir(path))
}

// temporary begins the names of files that are being written. What reads a folder passes over them.
const temporary = ".new-"

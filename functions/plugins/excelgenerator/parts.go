package excelgenerator

import (
	"encoding/xml"
	"html"
	"regexp"
	"strings"

	"github.com/xuri/excelize/v2"
)

// lift takes off what the library moves but does not stretch when rows are inserted, and returns what puts
// it back in its new place: conditional formats, validations, names and the filter.
func (f *filler) lift() (func() error, error) {
	formats, err := f.file.GetConditionalFormats(f.sheet)
	if err != nil {
		return nil, err
	}
	for cells := range formats {
		if err := f.file.UnsetConditionalFormat(f.sheet, cells); err != nil {
			return nil, err
		}
	}
	validations, err := f.file.GetDataValidations(f.sheet)
	if err != nil {
		return nil, err
	}
	if len(validations) > 0 {
		if err := f.file.DeleteDataValidation(f.sheet); err != nil {
			return nil, err
		}
	}
	names := f.file.GetDefinedName()
	return func() error {
		for cells, options := range formats {
			if err := f.file.SetConditionalFormat(f.sheet, f.stretched(cells), options); err != nil {
				return err
			}
		}
		for _, v := range validations {
			v.Sqref = f.stretched(v.Sqref)
			if err := f.file.AddDataValidation(f.sheet, v); err != nil {
				return err
			}
		}
		return f.rename(names)
	}, nil
}

// stretched is a list of ranges after the growth.
func (f *filler) stretched(cells string) string {
	list := strings.Fields(cells)
	for i, one := range list {
		list[i] = rewrite(one, f.sheet, f.sheet, f.growth.stretch)
	}
	return strings.Join(list, " ")
}

// rename lets the workbook's names refer to what they did before. The library keeps the filter's range in a
// name of its own, which only it may set.
func (f *filler) rename(names []excelize.DefinedName) error {
	for _, n := range names {
		refersTo := rewrite(n.RefersTo, "", f.sheet, f.growth.apply)
		if refersTo == n.RefersTo {
			continue
		}
		if n.Name == "_xlnm._FilterDatabase" {
			sheet, cells, _ := strings.Cut(refersTo, "!")
			if strings.Trim(sheet, "'") != f.sheet {
				continue
			}
			if err := f.file.AutoFilter(f.sheet, strings.ReplaceAll(cells, "$", ""), nil); err != nil {
				return err
			}
			continue
		}
		if err := f.file.DeleteDefinedName(&excelize.DefinedName{Name: n.Name, Scope: n.Scope}); err != nil {
			return err
		}
		n.RefersTo = refersTo
		if err := f.file.SetDefinedName(&n); err != nil {
			return err
		}
	}
	return nil
}

var tableRange = regexp.MustCompile(`(<(?:\w+:)?(?:table|autoFilter)\b[^>]*?\bref=")([^"]+)(")`)

// parts are the tables of the sheet as the template has them, by their names in the package. The library
// reads less of a table than there is, and would drop its totals.
func (f *filler) parts() map[string]string {
	found := map[string]string{}
	tables, err := f.file.GetTables(f.sheet)
	if err != nil {
		return found // a sheet without cells
	}
	ours := map[string]bool{}
	for _, t := range tables {
		ours[t.Name] = true
	}
	f.file.Pkg.Range(func(key, value any) bool {
		part := key.(string)
		raw, isBytes := value.([]byte)
		if strings.HasPrefix(part, "xl/tables/") && isBytes {
			var head struct {
				Name        string `xml:"name,attr"`
				DisplayName string `xml:"displayName,attr"`
			}
			if xml.Unmarshal(raw, &head) == nil && (ours[head.Name] || ours[head.DisplayName]) {
				found[part] = string(raw)
			}
		}
		return true
	})
	return found
}

func (f *filler) restore(parts map[string]string) {
	for part, raw := range parts {
		f.file.Pkg.Store(part, []byte(tableRange.ReplaceAllStringFunc(raw, func(m string) string {
			s := tableRange.FindStringSubmatch(m)
			return s[1] + rewrite(s[2], f.sheet, f.sheet, f.growth.apply) + s[3]
		})))
	}
}

var (
	chartFormula = regexp.MustCompile(`(<(?:\w+:)?f>)([^<]*)(</(?:\w+:)?f>)`)
	chartCache   = regexp.MustCompile(`(?s)<(?:\w+:)?(?:num|str)Cache>.*?</(?:\w+:)?(?:num|str)Cache>`)
	chartText    = regexp.MustCompile(`(<a:t>)([^<]*)(</a:t>)`)
)

// charts lets the charts show all the data, and fills the marks in their texts. The values that a chart
// remembers are the samples', so they go: programs read them anew.
func (f *filler) charts() error {
	f.file.Pkg.Range(func(key, value any) bool {
		raw, isBytes := value.([]byte)
		if !strings.HasPrefix(key.(string), "xl/charts/chart") || !isBytes {
			return true
		}
		changed := replaceInner(chartFormula, string(raw), func(s string) string {
			return rewrite(s, "", f.sheet, f.growth.stretch)
		})
		changed = replaceInner(chartText, changed, f.unmark)
		f.file.Pkg.Store(key, []byte(chartCache.ReplaceAllString(changed, "")))
		return true
	})
	return nil
}

// replaceInner changes the text between the tags that pattern finds.
func replaceInner(pattern *regexp.Regexp, s string, change func(string) string) string {
	return pattern.ReplaceAllStringFunc(s, func(m string) string {
		part := pattern.FindStringSubmatch(m)
		before := html.UnescapeString(part[2])
		after := change(before)
		if after == before {
			return m
		}
		return part[1] + html.EscapeString(after) + part[3]
	})
}

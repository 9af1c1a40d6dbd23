package builtin

import (
	"maps"
	"slices"

	"github.com/hearthfaas/hearth/shared/manifest"
)

// opParam is the parameter that chooses among the operations of a plugin (manifest.Manifest.Ops).
const opParam = "op"

// called is what people call operations besides their names.
var called = map[string][]string{
	"read":   {"open", "show", "看", "读", "打开", "显示"},
	"list":   {"show files", "show the files", "what files", "which files", "列", "有哪些", "哪些文件"},
	"write":  {"save", "create", "写", "新建", "创建"},
	"edit":   {"change", "replace", "修改", "编辑", "替换"},
	"move":   {"rename", "移动", "移到", "重命名", "改名"},
	"copy":   {"duplicate", "复制", "拷贝"},
	"delete": {"remove", "删"},
}

// operation returns the operation of tool that low names with the longest word, or "".
func operation(tool manifest.Manifest, low string) string {
	best, length := "", 0
	for _, op := range slices.Sorted(maps.Keys(tool.Ops)) {
		for _, word := range append([]string{op}, called[op]...) {
			if len(word) > length && len(find(low, word)) > 0 {
				best, length = op, len(word)
			}
		}
	}
	return best
}

// example returns the parameters that a step starts from: the manifest's example, on the day that the
// request names. When the request is about another operation than the example's, nothing else of it fits.
func (d *drafting) example(tool manifest.Manifest, s schema) map[string]any {
	params := map[string]any{}
	for name, value := range tool.Intent.Example {
		if _, known := s.Properties[name]; known {
			params[name] = d.onDay(value)
		}
	}
	if op := operation(tool, d.low); op != "" && params[opParam] != op {
		return map[string]any{opParam: op}
	}
	return params
}

// target is where a file is moved or copied to: the second one that the request names.
func target(tool manifest.Manifest) manifest.Slot {
	for _, slot := range tool.Intent.Slots {
		if slot.Param == "to" {
			return slot
		}
	}
	return manifest.Slot{Param: "to", Kind: "path"}
}

// aim fills in where to move or copy to.
func (d *drafting) aim(tool manifest.Manifest, s schema, params map[string]any) {
	if _, known := s.Properties["to"]; !known || params[opParam] != "move" && params[opParam] != "copy" || params["to"] != nil {
		return
	}
	q := questionOf(tool, target(tool))
	places := append(slices.Clone(d.said.reads), d.said.writes...)
	if answer, ok := d.thread.answers[q.key()]; ok {
		h := hear(answer, d.today)
		places = append(append([]string{""}, h.reads...), h.writes...)
	}
	if len(places) < 2 {
		d.ask(q.text)
		return
	}
	params["to"] = places[1]
}

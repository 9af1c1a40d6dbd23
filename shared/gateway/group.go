package gateway

import (
	"maps"
	"slices"
	"strings"

	"github.com/hearthfaas/hearth/shared/fault"
)

// GroupsSetting names the setting that says which functions are deployed as one: what WriteGroups writes.
const GroupsSetting = "HEARTH_GROUPS"

// Member returns the path of a function in its group: telegram for adapter-telegram, so that the whole is
// /function/adapters/telegram.
func Member(name string) string {
	_, member, _ := strings.Cut(name, "-")
	return member
}

// WriteGroups returns the value of GroupsSetting for groups and the functions in each:
// "adapters=adapter-slack,adapter-telegram planner=planner-execute".
func WriteGroups(groups map[string][]string) string {
	list := make([]string, 0, len(groups))
	for _, name := range slices.Sorted(maps.Keys(groups)) {
		list = append(list, name+"="+strings.Join(groups[name], ","))
	}
	return strings.Join(list, " ")
}

// readGroups returns where each grouped function is.
func readGroups(text string) (map[string]string, error) {
	places := map[string]string{}
	for _, field := range strings.Fields(text) {
		group, members, found := strings.Cut(field, "=")
		for _, name := range strings.Split(members, ",") {
			if !found || group == "" || Member(name) == "" {
				return nil, fault.New(fault.Invalid, "want GROUP=FUNCTION,FUNCTION, not %.100q", field).At(GroupsSetting)
			}
			places[name] = group + "/" + Member(name)
		}
	}
	return places, nil
}

// place returns where a function, or a path of it, is below /function/.
func (c *Client) place(to string) string {
	name, rest, _ := strings.Cut(to, "/")
	place, grouped := c.names[name]
	if !grouped {
		return to
	}
	if rest == "" {
		return place
	}
	return place + "/" + rest
}

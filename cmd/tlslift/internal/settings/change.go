package settings

import (
	"reflect"
	"slices"
)

// Keep gives the settings that only a start changes the values that they have in another
// configuration, the one in force, and returns the names of those that differ.
func (c *Config) Keep(inForce *Config) (changed []string) {
	now, before := reflect.ValueOf(c).Elem(), reflect.ValueOf(inForce).Elem()
	for i := range now.NumField() {
		row := slices.IndexFunc(table, func(row setting) bool { return row.name == now.Type().Field(i).Tag.Get("env") })
		if !table[row].atStart || reflect.DeepEqual(now.Field(i).Interface(), before.Field(i).Interface()) {
			continue
		}
		now.Field(i).Set(before.Field(i))
		changed = append(changed, Prefix+table[row].name)
	}
	return changed
}

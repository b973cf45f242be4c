package store

import (
	"encoding/json"
	"fmt"
	"time"
)

// millis is a time as it is kept, 0 for none.
func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

// fromMillis is the reverse of millis, in UTC.
func fromMillis(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}

// encodeList makes a list of texts JSON, an empty one the empty text.
func encodeList[T ~string](list []T) string {
	if len(list) == 0 {
		return ""
	}
	b, err := json.Marshal(list)
	if err != nil {
		panic("a list of texts is always JSON: " + err.Error())
	}
	return string(b)
}

func decodeList[T ~string](text string) ([]T, error) {
	if text == "" {
		return nil, nil
	}
	var list []T
	if err := json.Unmarshal([]byte(text), &list); err != nil {
		return nil, fmt.Errorf("read a stored list: %w", err)
	}
	return list, nil
}

// encodeJSON makes a value of our own JSON, which cannot go wrong.
func encodeJSON(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic("a stored value is always JSON: " + err.Error())
	}
	return string(b)
}

func encodeLabels(labels map[string]string) string {
	if len(labels) == 0 {
		return ""
	}
	return encodeJSON(labels)
}

func decodeLabels(text string) (map[string]string, error) {
	if text == "" {
		return nil, nil
	}
	var labels map[string]string
	if err := json.Unmarshal([]byte(text), &labels); err != nil {
		return nil, fmt.Errorf("read stored labels: %w", err)
	}
	return labels, nil
}

// encodeTimes makes times JSON, as they are kept; none the empty text.
func encodeTimes(list []time.Time) string {
	if len(list) == 0 {
		return ""
	}
	kept := make([]int64, len(list))
	for i, t := range list {
		kept[i] = millis(t)
	}
	return encodeJSON(kept)
}

func decodeTimes(text string) ([]time.Time, error) {
	if text == "" {
		return nil, nil
	}
	var kept []int64
	if err := json.Unmarshal([]byte(text), &kept); err != nil {
		return nil, fmt.Errorf("read stored times: %w", err)
	}
	list := make([]time.Time, len(kept))
	for i, ms := range kept {
		list[i] = fromMillis(ms)
	}
	return list, nil
}

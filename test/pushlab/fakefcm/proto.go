package fakefcm

import "encoding/binary"

// message is a Protocol Buffers message that is being written: as much of the
// format as MCS and check-in need.
type message []byte

func (m message) varint(field int, v uint64) message {
	return binary.AppendUvarint(binary.AppendUvarint(m, uint64(field)<<3), v)
}

func (m message) fixed64(field int, v uint64) message {
	return binary.LittleEndian.AppendUint64(binary.AppendUvarint(m, uint64(field)<<3|1), v)
}

func (m message) bytes(field int, b []byte) message {
	m = binary.AppendUvarint(m, uint64(field)<<3|2)
	return append(binary.AppendUvarint(m, uint64(len(b))), b...)
}

func (m message) str(field int, s string) message { return m.bytes(field, []byte(s)) }

// parse reads the strings and messages of each field, and the last number of
// each. It stops where the bytes make no sense.
func parse(b []byte) (strings map[int][][]byte, numbers map[int]uint64) {
	strings, numbers = map[int][][]byte{}, map[int]uint64{}
	for len(b) > 0 {
		key, n := binary.Uvarint(b)
		if n <= 0 {
			break
		}
		b = b[n:]
		field := int(key >> 3)
		switch key & 7 {
		case 0:
			v, n := binary.Uvarint(b)
			if n <= 0 {
				return strings, numbers
			}
			numbers[field], b = v, b[n:]
		case 1:
			if len(b) < 8 {
				return strings, numbers
			}
			numbers[field], b = binary.LittleEndian.Uint64(b), b[8:]
		case 2:
			l, n := binary.Uvarint(b)
			if n <= 0 || uint64(len(b)-n) < l {
				return strings, numbers
			}
			strings[field] = append(strings[field], b[n:n+int(l)])
			b = b[n+int(l):]
		case 5:
			if len(b) < 4 {
				return strings, numbers
			}
			b = b[4:]
		default:
			return strings, numbers
		}
	}
	return strings, numbers
}

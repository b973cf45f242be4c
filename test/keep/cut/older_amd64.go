package cut

import "syscall"

// older are calls that newer machines have not.
func older() Calls { return Calls{syscall.SYS_RENAME, syscall.SYS_LINK, syscall.SYS_UNLINK} }

package cert

import "context"

// Round looks once at all names, as Run does.
func (k *Keeper) Round(ctx context.Context) { k.round(ctx) }

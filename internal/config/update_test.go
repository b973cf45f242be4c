package config_test

import "flag"

var update = flag.Bool("update", false, "write the sample of the configuration anew")

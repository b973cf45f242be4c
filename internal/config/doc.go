// Package config holds what the program needs to start (Config, from flags,
// environment and files) and what people change while it runs (Settings, kept
// in the database).
//
// Load reads, the first that has a key wins: flags, the environment, the file
// of --config, .env in the working directory, /etc/tocsin/tocsin.env. All files
// have lines of KEY=VALUE. A secret may be given as KEY_FILE, the name of a
// file that holds it. A TOCSIN_ key that nobody knows is an error, because a
// mistyped one would silently do nothing.
package config

package notify

import (
	"os"

	"github.com/spf13/cobra"
)

// Command lists `tocsin notify` among the other commands. cmd/tocsin calls Run
// itself before it builds them, because an engine runs this one all day.
func Command(exit func(code int)) *cobra.Command {
	return &cobra.Command{
		Use:                "notify",
		Short:              "Tell the hub of an event: the engine's notification command",
		DisableFlagParsing: true, // its flags have rules of their own, see parse
		Run: func(cmd *cobra.Command, args []string) {
			exit(Run(cmd.Context(), args, cmd.InOrStdin(), cmd.OutOrStdout(), cmd.ErrOrStderr(), os.Getenv))
		},
	}
}

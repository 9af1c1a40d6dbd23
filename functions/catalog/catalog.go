// Package catalog lists the bundle's functions. It is the only package that imports them all.
package catalog

import (
	"github.com/hearthfaas/hearth/functions/adapters/slack"
	"github.com/hearthfaas/hearth/functions/adapters/telegram"
	"github.com/hearthfaas/hearth/functions/adapters/web"
	"github.com/hearthfaas/hearth/functions/adapters/webhook"
	"github.com/hearthfaas/hearth/functions/planner/execute"
	"github.com/hearthfaas/hearth/functions/planner/intent"
	"github.com/hearthfaas/hearth/functions/planner/reply"
	"github.com/hearthfaas/hearth/functions/planner/rollback"
	"github.com/hearthfaas/hearth/functions/plugins/databaseexecute"
	"github.com/hearthfaas/hearth/functions/plugins/databasequery"
	"github.com/hearthfaas/hearth/functions/plugins/emailsender"
	"github.com/hearthfaas/hearth/functions/plugins/excelgenerator"
	"github.com/hearthfaas/hearth/functions/plugins/filemanager"
	"github.com/hearthfaas/hearth/functions/plugins/httprequest"
	"github.com/hearthfaas/hearth/functions/system/auth"
	"github.com/hearthfaas/hearth/functions/system/console"
	"github.com/hearthfaas/hearth/functions/system/files"
	"github.com/hearthfaas/hearth/functions/system/mail"
	"github.com/hearthfaas/hearth/functions/system/pump"
	"github.com/hearthfaas/hearth/functions/system/tasks"
	"github.com/hearthfaas/hearth/shared/fn"
)

// All returns the functions in the order a message meets them.
func All() []fn.Function {
	return []fn.Function{
		web.Function,
		telegram.Function,
		slack.Function,
		webhook.Function,

		intent.Function,
		execute.Function,
		rollback.Function,
		reply.Function,

		databasequery.Function,
		excelgenerator.Function,
		emailsender.Function,
		filemanager.Function,
		httprequest.Function,
		databaseexecute.Function,

		tasks.Function,
		pump.Function,
		files.Function,
		auth.Function,
		mail.Function,
		console.Function,
	}
}

package channel

import (
	"fmt"
	"strings"

	"github.com/hearthfaas/hearth/shared/manifest"
)

// phrase is a text in our languages, with the verbs of fmt.
type phrase manifest.Phrase

// In returns the phrase in a language.
func (p phrase) In(lang string, args ...any) string {
	if lang == "zh" {
		return fmt.Sprintf(p.Zh, args...)
	}
	return fmt.Sprintf(p.En, args...)
}

var (
	helped = phrase{
		"Tell me what you need. Orders: /runs, /approve RUN, /deny RUN, /stop [RUN], /undo [RUN], /settle, /tasks [off|on TASK], /freeze RUN, /alerts here, /pair. Operators: /stop all, /resume.",
		"直接说你需要什么。指令：/runs 列出运行，/approve 批准，/deny 拒绝，/stop 停止，/undo 撤销，/settle 核实结果不明的步骤，/tasks 列出任务（off|on 停用或启用），/freeze 固化为任务，/alerts here 接收警报，/pair 绑定账号。管理员：/stop all 全部停止，/resume 恢复。",
	}
	offered    = phrase{"I do not know you yet. On a signed-in machine, run:\n\n    hearth pair %s", "我还不认识你。请在已登录的机器上运行：\n\n    hearth pair %s"}
	privately  = phrase{"Ask me for a code in a direct chat.", "请在私聊中向我索取配对码。"}
	introduced = phrase{"You are %s (%s).", "你是 %s（%s）。"}
	hushed     = phrase{"Stopped.", "已停止。"}
	takenBack  = phrase{"What was done can be taken back: /undo RUN", "已完成的部分可以撤销：/undo 任务编号"}
	lasts      = phrase{"Nothing begins until an administrator says /resume.", "在管理员发送 /resume 之前，不会开始任何操作。"}
	goesOn     = phrase{"It goes on. What was stopped stays so.", "已恢复。已停止的任务保持停止。"}
	nothing    = phrase{"Nothing waits for that.", "没有等待处理的任务。"}
	which      = phrase{"Which one? Say /%s RUN.", "是哪一个？请发送 /%s 任务编号。"}
	refused    = phrase{"That did not work: %s", "没有成功：%s"}
	alertsHelp = phrase{"Say /alerts here to hear of alerts in this conversation, /alerts off to hear no more.", "发送 /alerts here 在此会话接收警报，/alerts off 停止接收。"}
	alertsAll  = phrase{"All alerts come here from now on.", "今后所有警报都会发送到这里。"}
	alertsOwn  = phrase{"Alerts about your own runs and tasks come here from now on.", "今后与你的任务有关的警报会发送到这里。"}
	alertsOff  = phrase{"No more alerts come here.", "警报不再发送到这里。"}
	none       = phrase{"No runs yet.", "还没有任务。"}

	decidedBefore = phrase{"%s decided already, at %s, and the first decision counts. %s", "%s 已于 %s 作出决定，以最先的决定为准。%s"}
)

// decided are the answers to a decision about one run.
var decided = map[verb]phrase{
	approve: {"Approved: %s", "已批准：%s"},
	deny:    {"Denied: %s", "已拒绝：%s"},
	stop:    {"Stopped: %s", "已停止：%s"},
	undo:    {"Undoing: %s", "正在撤销：%s"},
}

// named is a run as people know it.
func named(v view) string {
	if v.Title == "" {
		return "`" + v.ID + "`"
	}
	return v.Title + " (`" + v.ID + "`)"
}

func listed(lang string, list []view) string {
	if len(list) == 0 {
		return none.In(lang)
	}
	var lines []string
	for _, v := range list {
		lines = append(lines, "- "+named(v)+": "+v.State)
	}
	return strings.Join(lines, "\n")
}

package builtin

import (
	"strings"

	"github.com/hearthfaas/hearth/shared/manifest"
)

// maxListed bounds the plugins that an answer lists.
const maxListed = 30

// kind is what somebody wants who wants no action.
type kind int

const (
	other kind = iota
	greeting
	identity
	help
	thanks
	farewell
	dropped
)

// kinds are tried in order. Each accounts for the whole message, so that "hello, make a report" is not
// taken for a greeting.
var kinds = []struct {
	kind    kind
	pattern pattern
}{
	{help, whole(
		`/?help(?: me)?|/start|menu|功能|帮助|使用说明`,
		`(?:你|您)?(?:都)?(?:能|会|可以)(?:帮我|为我)?(?:做|干)(?:些|点)?(?:什么|啥|哪些事情?)(?:事情?)?[呢啊呀吗]?`,
		`(?:你)?有(?:什么|哪些|啥)(?:功能|能力|插件|本领)[呢啊呀]?|(?:怎么|如何)(?:使用|用)(?:你)?[呢啊呀]?`,
		`(?:so )?what (?:all )?(?:can|do) you do(?: for me)?|what are you able to do|how (?:do|can) i use (?:you|this|it)`,
		`what (?:features|plugins|tools|skills|commands) (?:do you have|are there)|what are your (?:features|plugins|tools|skills)`)},
	{identity, whole(
		`(?:你|您)(?:到底)?是(?:谁|什么|哪位|什么模型|哪个模型|什么东西)[呢啊呀]?|(?:你|您)叫什么(?:名字)?[呢啊呀]?`,
		`(?:你|您)是(?:不是)?(?:一个|个)?(?:ai|人工智能|人|真人|机器人|大模型|语言模型|chatgpt|gpt)[吗么呢]?|你?用的?是?什么模型`,
		`(?:who|what) (?:are|r) (?:you|u)|what(?:'s| is) your name|(?:what|which) (?:language )?model (?:are you|is this|do you use)`,
		`are you (?:an? )?(?:real )?(?:ai|bot|robot|human|person|chatgpt|gpt|llm|large language model|language model|real)`)},
	{greeting, whole(
		`(?:你|您|大家|各位)好[啊呀哦]?|嗨|哈喽|哈啰|在吗|在么|在不在|早|早安|早上好|上午好|中午好|下午好|晚上好|晚安|测试`,
		`(?:hi|hello|hey|hiya|yo|howdy|greetings)(?: there| all| everyone| hearth)?|good (?:morning|afternoon|evening|day)|ping|test`,
		`how are you(?: doing)?(?: today)?|how's it going|what's up|sup`)},
	{thanks, whole(
		`(?:谢谢|谢了|多谢|非常感谢|太感谢了?|感谢|辛苦了?|太好了|很好|不错|好的|棒)(?:你|您|啦|了|哦|呀)?`,
		`(?:many )?thanks(?: a lot| so much| very much)?|thank you(?: so much| very much)?|thx|ty|cheers|great|nice|perfect|awesome|ok|okay`)},
	{farewell, whole(`再见|拜拜|回头见|bye|bye ?bye|goodbye|see you(?: later)?`)},
	{dropped, dropping},
}

// whole returns a pattern that matches a text which is one of the alternatives.
func whole(alternatives ...string) pattern {
	return compiled(`^(?:` + strings.Join(alternatives, "|") + `)$`)
}

// opening is a greeting in front of something else.
var opening = compiled(`^(?:(?:你|您)好|嗨|hi|hello|hey)(?: there| hearth)?[\s,，.。!！、~]+`)

// kindOf classifies a message. Case, and punctuation and space around it, do not count.
func kindOf(text string) kind {
	text = strings.Join(strings.Fields(strings.Trim(strings.ToLower(text), " \t\r\n,，.。!！?？~～…、")), " ")
	for _, said := range []string{text, opening().ReplaceAllString(text, "")} {
		for _, k := range kinds {
			if k.pattern().MatchString(said) {
				return k.kind
			}
		}
	}
	return other
}

var (
	hello    = manifest.Phrase{En: "Hello! I am Hearth.", Zh: "你好！我是 Hearth。"}
	whoIAm   = manifest.Phrase{En: "I am Hearth, an assistant that runs on your own machines.", Zh: "我是 Hearth，运行在你们自己机器上的助手。"}
	welcome  = manifest.Phrase{En: "You are welcome.", Zh: "不客气。"}
	goodbye  = manifest.Phrase{En: "Goodbye.", Zh: "再见。"}
	letGo    = manifest.Phrase{En: "All right, I will leave it.", Zh: "好的，这件事就放下了。"}
	noModel  = manifest.Phrase{En: "I am not a language model: no model is connected right now, so I follow keywords and rules and cannot hold a free conversation.", Zh: "我不是语言模型：目前没有接入任何模型，我只按关键词和规则办事，无法自由对话。"}
	connect  = manifest.Phrase{En: "To connect a model, restart with `OPENAI_BASE_URL=http://localhost:11434/v1` (Ollama, vLLM, llama-server, LM Studio or any OpenAI-compatible API), or with `MODEL_PATH=/path/to/model.gguf`.", Zh: "要接入模型，请带上 `OPENAI_BASE_URL=http://localhost:11434/v1`（Ollama、vLLM、llama-server、LM Studio 或任何兼容 OpenAI 的接口），或者 `MODEL_PATH=/路径/模型.gguf`，然后重新启动。"}
	canDo    = manifest.Phrase{En: "What I can do:", Zh: "我能做的事："}
	canNone  = manifest.Phrase{En: "No plugins are available to you here, so there is nothing that I can do yet.", Zh: "这里还没有可供你使用的插件，所以我暂时什么都做不了。"}
	saidLike = manifest.Phrase{En: "say: ", Zh: "可以说："}
	chain    = manifest.Phrase{En: "Name several of them in one sentence and I will run them in order. I ask when something is missing.", Zh: "一句话里可以提到好几件事，我会按顺序执行；缺少信息时我会先问。"}
	about    = manifest.Phrase{En: "From your message I only recognised: ", Zh: "你的话里我只认出了："}
	aboutNo  = manifest.Phrase{En: "I recognised nothing in your message that I could act on.", Zh: "你的话里没有我能执行的内容。"}
)

// Reply answers a message that asks for no action: a greeting, a question about itself, thanks, or
// anything else, which it does not pretend to understand.
func Reply(r Request) string {
	r.Text = bounded(r.Text)
	lang := r.lang()
	say := func(parts ...string) string { return strings.Join(parts, "\n\n") }
	honest := noModel.In(lang) + " " + connect.In(lang)
	if lang == "zh" {
		honest = noModel.Zh + connect.Zh
	}
	switch kindOf(r.Text) {
	case greeting:
		return say(hello.In(lang), capabilities(r.Tools, lang), honest)
	case identity:
		return say(whoIAm.In(lang)+" "+noModel.In(lang), capabilities(r.Tools, lang), connect.In(lang))
	case help:
		return say(capabilities(r.Tools, lang), honest)
	case thanks:
		return welcome.In(lang)
	case farewell:
		return goodbye.In(lang)
	case dropped:
		return letGo.In(lang)
	default:
		return say(recognised(r, lang), honest, capabilities(r.Tools, lang))
	}
}

// capabilities lists what the tools do and the words that start them.
func capabilities(tools []manifest.Manifest, lang string) string {
	if len(tools) == 0 {
		return canNone.In(lang)
	}
	var b strings.Builder
	b.WriteString(canDo.In(lang))
	for _, tool := range tools[:min(len(tools), maxListed)] {
		b.WriteString("\n- **" + tool.Title.In(lang) + "**")
		if words := phrasesIn(tool, lang); words != "" {
			b.WriteString(" (" + saidLike.In(lang) + words + ")")
		}
	}
	b.WriteString("\n\n" + chain.In(lang))
	return b.String()
}

// phrasesIn returns up to four of the tool's phrases in a language.
func phrasesIn(tool manifest.Manifest, lang string) string {
	var words []string
	for _, p := range tool.Intent.Phrases {
		if Chinese(p) == (lang == "zh") && len(words) < 4 {
			words = append(words, p)
		}
	}
	if lang == "zh" {
		return strings.Join(words, "、")
	}
	return strings.Join(words, ", ")
}

// recognised says which plugins a message names.
func recognised(r Request, lang string) string {
	var titles []string
	for i, spans := range matches(bare(r.Text), r.Tools) {
		if len(spans) > 0 {
			titles = append(titles, r.Tools[i].Title.In(lang))
		}
	}
	if len(titles) == 0 {
		return aboutNo.In(lang)
	}
	if lang == "zh" {
		return about.Zh + strings.Join(titles, "、") + "。"
	}
	return about.En + strings.Join(titles, ", ") + "."
}

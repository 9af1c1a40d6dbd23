package policy

// englishWords are the English words that the rules know. Verbs are an open class: the past of one that stands
// nowhere here counts as an act where the assistant is its subject, or where its object has to be a thing
// outside of the answer. So the table of tame verbs matters as much as the one of acts.
var englishWords = []group{
	// Who acts.
	{me, "i we"},
	{other, "you he she they who somebody someone people"},

	// Acts of effect: messages; files; the calendar, bookings and orders; money; data and machines; settings
	// and access; work in general.
	{past, "sent emailed mailed forwarded replied messaged texted called phoned contacted notified informed alerted briefed invited " +
		"shared delivered posted published"},
	{past, "saved created generated deleted removed moved renamed copied restored archived uploaded downloaded exported imported attached " +
		"printed overwrote overwritten stored"},
	{past, "scheduled rescheduled booked reserved ordered reordered placed cancelled canceled arranged purchased bought shipped submitted"},
	{past, "paid refunded transferred wired withdrew withdrawn"},
	{past, "updated reverted installed uninstalled restarted rebooted merged deployed rebuilt queried executed committed pushed queued " +
		"triggered launched started stopped recorded logged implemented migrated provisioned backed undone"},
	{past, "set reset added changed fixed applied configured enabled disabled activated deactivated renewed extended revoked granted " +
		"upgraded downgraded rotated subscribed unsubscribed registered unlocked blocked signed assigned approved issued closed " +
		"resolved reassigned escalated"},
	{past, "processed handled confirmed completed finished cleaned emptied"},
	{open, "undid slid spun hung sold cut split shut threw flew drove built froze hid laid lit swept swung kicked dealt lent bound cast " +
		"struck"},
	{going, "sending emailing forwarding saving creating generating deleting removing moving updating scheduling booking posting " +
		"publishing uploading downloading ordering paying cancelling canceling exporting installing restarting transferring notifying " +
		"deploying executing archiving submitting renaming restoring inviting importing querying processing"},
	{stem, "send email forward reply share submit save create generate delete remove move rename copy restore update schedule book post " +
		"publish upload order pay cancel approve notify invite export install restart merge close archive reset deploy execute " +
		"transfer reserve rent add set put change fix complete get enable disable print register switch turn confirm"},

	// Verbs of every trade: what they do shows in the particle or the object ("put in the order").
	{weak, "made wrote written put ran turned opened completed finished edited filled took taken switched rolled passed setup"},
	{looking, "checked searched looked"},
	{giving, "asked let gave given told got handed lent dropped left brought"},
	{particle, "in up through out off on down away back over"},
	{contact, "spoke talked wrote reached followed chatted checked"},

	// Acts that may be on the answer's own words: "added below".
	{texty, "created generated added updated changed removed fixed moved attached confirmed completed finished applied started replied set " +
		"resolved handled processed arranged implemented called shared copied edited placed put made wrote written"},
	{shown, "below above here following sentence paragraph wording sentences paragraphs lines myself spelling typos letter jargon column " +
		"draft poem text example examples translation outline mistake answer story bullet point points tone phrasing question " +
		"questions comments topic topics argument arguments heading headings word words part parts summary explanation overview idea " +
		"ideas options tips suggestions"},

	// Tame verbs: of mind and senses; of speech and work on words; of counting; of trying and being.
	{tame, "noticed believed assumed considered guessed hoped expected wanted liked loved enjoyed remembered learned realised realized " +
		"recognised recognized wondered decided preferred planned intended misunderstood misjudged missed understood received found " +
		"watched listened viewed opened browsed scanned skimmed identified discovered detected spotted located selected chosen " +
		"confused pleased furnished delighted excited worried interested concerned"},
	{tame, "mentioned explained described suggested recommended proposed listed outlined summarised summarized translated drafted " +
		"prepared rephrased reworded reworked shortened simplified answered responded offered promised agreed disagreed stated noted " +
		"pointed referred quoted cited claimed stressed highlighted structured formatted phrased worded polished tailored proofread " +
		"spelled apologised apologized omitted skipped included excluded labeled labelled numbered bolded capitalised capitalized " +
		"indented expanded condensed compiled gathered"},
	{tame, "analysed analyzed compared reviewed examined inspected studied evaluated assessed calculated computed counted estimated " +
		"measured verified interpreted ignored weighed traced tested rounded summed multiplied divided converted grouped focused " +
		"focussed checked searched looked used"},
	{tame, "tried attempted managed failed needed lacked owned lived worked happened appeared seemed ended stayed remained waited stalled " +
		"trained designed programmed based located related limited detailed supposed allowed required involved named dated rated aged " +
		"scared tired united led fed bred shed sped indeed hundred need feed speed exceed bounced expired delayed refused rejected " +
		"proceed succeed agreed guaranteed dedicated advanced mixed unlimited estimated overdue stopped"},

	// Small words around the verb.
	{have, "have has had 've"},
	{be, "is are was were been being be am got get gets stands"},
	{adverb, "just now already also then all both successfully safely gone went ahead immediately finally quickly duly properly " +
		"automatically fully right away first even currently meanwhile officially"},
	{joint, "and but so then because since as"},
	{negation, "not never no none nothing cannot neither nor without nobody yet"},
	{modal, "maybe perhaps possibly can could should might may would will must shall want wants looks seems appears apparently needs need"},
	{condition, "if soon when whenever once unless until whether after before while what how why where"},
	{finite, "is are was were has have can will must may need needs requires require stay stays remain remains belong go goes get gets " +
		"count means makes takes shall should would could might cannot helps costs keeps works"},
	{recipe, "workflow process procedure steps plan recommendation suggestion proposal advice idea goal order"},
	{article, "the your all both my a an this that these those our its every each no"},

	// Whose words they are.
	{said, "said says say mentioned told tell tells wrote writes according claims shows stated reads noticed saw see asked read"},
	{assure, "confirm assure report announce say"},

	// What effects happen to, by trade. Some are deeds: to make one is an effect.
	{thing, "email emails mail mails message messages reply note notes thread comment survey poll form voicemail announcement newsletter " +
		"invite invites invitation invitations attachment attachments reminder reminders notification notifications alerts alert"},
	{thing, "report reports file files folder folders document documents spreadsheet sheet deck pdf contract draft drafts copies pdfs " +
		"slides presentation page pages certificate permit copy photo photos item items numbers figures record records row rows " +
		"database table index entry entries data"},
	{thing, "meeting event calendar appointment interview shift alarm standup call slot room seat visit transaction flight hotel table " +
		"trip ride car cab taxi driver"},
	{thing, "order orders booking bookings reservation payment payments invoice invoices bill refund subscription transfer deposit charge " +
		"price amount claim complaint parcel package replacement delivery money funds bank fee quote offer coupon voucher cart " +
		"purchase vote visa pass leave expense expenses permit insurance policy"},
	{thing, "backup backups upload download export deployment deploy build rollout migration release version service server servers pod " +
		"pods worker job jobs cluster replica website site domain key keys token webhook login branch tag flag banner firewall " +
		"certificate limit quota cron fix patch alert script newsletter"},
	{thing, "account accounts password access rights permission permissions user users settings setting preferences phone address profile " +
		"group plan config mode filter rule lights light printer"},
	{thing, "task tasks ticket tickets bug request requests query summary change changes update updates issue it them everything"},
	{deed, "order booking reservation payment appointment refund transfer call request complaint claim ticket change changes update " +
		"updates backup migration script job jobs query export deployment import purchase bid transaction"},
	{place, "file files folder folders calendar inbox database config settings query task tasks export server disk output changes drive " +
		"orders mailbox spreadsheet contacts job repository archive form lights light"},
	{holder, "inbox outbox mailbox calendar folder folders archive bucket trash spam drive queue cart basket documents downloads wallet " +
		"backlog tray list roster system tracker crm"},

	// How things are once an effect is over.
	{outcome, "gone live active online offline muted yours restored booked paid cancelled canceled deleted removed confirmed"},
	{switched, "on off in out up down back"},
	{ran, "ran finished completed succeeded passed launched landed"},

	// Words that stand alone for an act that is over, and those that may stand beside them.
	{finished, "done finished completed complete set accomplished ready sorted handled success successful dusted fixed resolved"},
	{filler, "all ok okay sure you're you are it is that this has been everything task tasks mission job consider just now already " +
		"successfully and status yes yep yup great got no problem there we as requested completely finally i right alright perfect"},

	{former, "yesterday ago century centuries last years war earlier"},
	{instruct, "click press open choose use make ensure attach select type tap hit drag paste please go enter"},
}

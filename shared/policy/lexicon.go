package policy

import (
	"strings"
	"sync"
)

// lists has the words that the rules know, by what they do. A word may be in several.
var lists = map[kind]string{
	me:    "i we 我 我们",
	other: "you he she they who somebody someone people 您 你 他 她 它们 他们 她们 您们 大家 有人",
	past: "sent emailed mailed forwarded replied shared submitted saved created generated deleted removed moved renamed copied restored " +
		"updated scheduled rescheduled booked posted published uploaded downloaded executed ordered placed paid purchased bought refunded " +
		"transferred cancelled canceled approved notified invited undone reverted exported imported installed uninstalled restarted merged closed " +
		"archived reset enabled disabled activated deactivated issued delivered reserved deployed queried handled arranged set added subscribed unsubscribed " +
		"changed fixed applied backed processed resolved messaged texted called registered signed assigned committed pushed queued triggered " +
		"launched started stopped recorded logged stored attached confirmed configured completed finished implemented unlocked blocked wired printed cleaned contacted emptied phoned",
	weak: "made wrote written put checked searched looked ran opened turned completed finished edited filled",
	texty: "created generated added updated changed removed fixed moved attached confirmed completed finished applied started replied set " +
		"resolved handled processed arranged implemented called shared copied edited",
	going: "sending emailing forwarding saving creating generating deleting removing moving updating scheduling booking posting publishing " +
		"uploading downloading ordering paying cancelling canceling exporting installing restarting transferring notifying deploying " +
		"executing archiving submitting renaming restoring inviting importing querying processing",
	stem: "send email forward reply share submit save create generate delete remove move rename copy restore update schedule book post " +
		"publish upload order pay cancel approve notify invite export install restart merge close archive reset deploy execute transfer",
	have:     "have has had 've",
	be:       "is are was were been being be am got get gets stands",
	adverb:   "just now already also then all both successfully safely gone went ahead immediately finally quickly duly properly automatically fully right away first even 正在",
	joint:    "and but so then because since as 并 并且 而且 但 但是 所以 因此",
	negation: "not never no none nothing cannot neither nor without nobody 没 没有 未 尚未 还没 还没有 并未 并没有 未能 不能 不会 无法 不 别 从未 从来没有 未被 误 无",
	modal: "can could should might may would will must shall want wants needs need 可以 可能 将 将会 会 能 应该 应当 应 需要 需 要 想 想要 希望 打算 建议 " +
		"请 也许 或许 大概 可 让 乐意 愿意 计划 准备",
	condition: "if when whenever once unless until whether after before while what how why where 如果 若 若是 假如 一旦 是否 等 当 只要 除非 是不是 有没有 要是 凡 只有 每当 怎么 如何 什么",
	said: "said says say mentioned told tell tells wrote writes according claims shows stated reads noticed saw see asked read 说 说过 提到 告诉 根据 写着 写道 " +
		"表示 显示 注意到 看到 得知 据 提过 称 译文",
	assure: "confirm assure report announce say 确认 报告 告知",
	thing: "email emails mail mails message messages reply report reports file files folder folders document documents spreadsheet sheet task tasks " +
		"reminder reminders meeting event invitation invitations order booking payment post record records row rows note notes appointment alarm " +
		"backup upload download export deployment job ticket refund subscription account password invoice summary database table change " +
		"changes settings invite calendar it them everything items version site website update transfer reservation request query contract " +
		"邮件 报表 报告 文件 文件夹 订单 预约 会议 提醒 任务 消息 数据库 备份 邀请 日报 周报 表格 闹钟 餐厅 机票 车票 酒店 通知 款 付款 退款 记录 合同 " +
		"email 权限 密码 工单 照片 日历 修改 更改 公告 附件 文档 数据 版本 服务 账单 发票 操作 请求 日程 短信",
	place: "file files folder folders calendar inbox database config settings query task tasks export server disk output changes drive orders " +
		"mailbox spreadsheet contacts job repository archive form lights light 收件箱 数据库 日历 文件 邮箱 系统 通讯录 服务器 文件夹 网盘",
	shown: "below above here following sentence paragraph wording draft poem text example examples translation outline mistake answer story list bullet 下面 " +
		"以下 如下 短诗 要点 例子 译文 草稿 草案 大纲 文字 段落 句子 上面 诗 故事 示例",
	former: "yesterday ago century centuries last years version war earlier 昨天 昨晚 前天 上周 上个月 上月 去年 前年 世纪 年 当年 版 上次 从前 古代 上季度",
	plainly: "按照 按期 摘要 概要 纪要 提要 重要 主要 要求 会员 机会 功能 性能 智能 能力 申请 许可 会话 周会 例会 晚会 大会 开会 聚会 会计 社会 不错 不同 需求 想法 无线 等级 等待 当天 当前 " +
		"当地 适当 相当 后台 后面 最后 然后 今后 后端 时间 时长 小时 及时 同时 实时 临时 按时 准时 定时 目前 提前 前端 前台 说明 小说 收据 证据 依据 名称 未读 未来 分别 特别 类别 级别 性别 其他 其它 " +
		"发现 发生 开发 发展 出发 发言 发音 发热 改进 改善 改天 参加 更加 加油 传统 传说 宣传 存在 生存 办法 办公 办公室 转变 好转 付出 叫做 处理器 加起来 请查收 请查看 请放心 无误 不再 首都 成都 都市 " +
		"通过了解 建议 建筑 建设 换句话说 修改意见 装饰 查看 检查 运行时 跑步 租金 前往 请稍候 请稍等 没错 能量 可爱 可靠 可口 联系方式 放心 发射 开关 关于 关系 关键 有关 相关 机关 放松 解放 开放 指示 放在",
	finite: "is are was were has have can will must may need needs requires require stay stays remain remains belong go goes get gets count means makes " +
		"takes shall should would could might cannot helps costs keeps works 是 属于 为",
	finished: "done finished completed complete set accomplished ready sorted handled success successful 完成 搞定 办妥 弄好 办好 弄完 做好 做完 搞掂 处理好 " +
		"处理完 处理完毕 执行完毕 妥 弄妥 安排妥当 成功",
	filler: "all ok okay sure you're you are it is that this has been everything task tasks mission consider just now already successfully and status " +
		"yes great got no problem job there we as requested completely finally i 好的 好 已 已经 都 全部 一切 任务 了 啦 没问题 吧 这边 全 均 您 为您 帮您 " +
		"都已 现已 操作 就 我 我们 按您的要求 的 要求 按 状态 已按 帮你 替您 给您 您要的 给你 这个",
	article:  "the your all both my a an this that these those our its every each no",
	instruct: "click press open choose use make ensure attach select type tap hit drag paste please go enter 点击 按下 打开 选择 单击 按 长按 输入 使用 双击",
	act: "发送 发出 发给 发布 转发 转给 寄出 寄回 寄给 回复 通知 提交 保存 创建 新建 生成 删除 删掉 移动 移 更新 安排 预订 预约 订好 上传 下载 写入 执行 下单 支付 转账 " +
		"取消 撤销 恢复 回滚 重启 合并 关闭 归档 重置 开启 启用 禁用 停用 安装 卸载 导出 导入 重命名 改名 设置 设好 设定 定好 加进 加到 加入 添加 邀请 分享 备份 部署 送达 " +
		"到账 上线 开通 签署 启动 停止 修改 处理 查询 搜索 查 办 发 寄 删 订 转 付 存 传 改 加 完成 搞定 办妥 弄好 弄完 办好 修复 解决 购买 买好 订购 付清 退款 调整 配置 记录 " +
		"登记 打印 清空 清理 同步 推送 发过去 接受 送出 替换 拷贝 复制 存到 存入 注册 提醒 打开 关掉 叫 约好 排好 预定 投递 拉黑 撤回 确认 发出去 寄出去 传过去 送出去 付款 放 放到 放进 整理 汇总 写好 写进 填写 填好 贴 绑定 解绑 变更 改为 改成 换成 换 迁移 压缩 解压 打包 " +
		"充值 续费 报名 打卡 签到 请假 审批 批准 驳回 退订 退货 拨打 致电 联系 转达 转告 汇款 跑 运行 触发 生效 就绪 调用 收藏 关注 锁定 解锁 冻结 激活 通过 抄送 群发 派发 下达 存好 做好 写完 做完 关上 关 改到 请了 " +
		"标记 标为 指派 分配 挪 挪到 扣款 结清 结账 缴费 挂号 租 拼 抹掉 抹去 清除 移除 移到 移至 移走 置顶 拍下 抢到 盖章 开好 开具 发起 建 建好 建立 搭好 装好 装 修好 修",
	done: "已 已经 刚 刚刚 刚才 成功 均已 现已 都已 业已 早已 方才 适才 顺利",
	mark: "了 啦 完毕 完成 成功 好了 完了 好 掉 完 出去 过去 妥",
}

// lexicon is made of the lists when the first answer is checked: every process of the bundle links this
// package.
var lexicon = sync.OnceValue(func() map[string]kind {
	all := map[string]kind{}
	for k, list := range lists {
		for _, w := range strings.Fields(list) {
			all[w] |= k
		}
	}
	return all
})

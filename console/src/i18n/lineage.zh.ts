import type { Dictionary } from './en'

/** 来历页面的简体中文 */
export const lineage: Dictionary['lineage'] = {
  title: '来历',
  skip: '跳到来历',
  intro: '一个回答从何而来：哪个版本、用什么训练、由谁说过；以及由它产生了什么。',
  link: '来历',
  ofAnswer: '这个回答从何而来',
  ofRelease: '这个版本从何而来',
  ofTurn: '这一轮由什么而来',
  search: '要查询的对象',
  placeholder: '消息、版本、文件夹、反馈、对话、轮次或用户',
  show: '查询',
  directionLabel: '方向',
  directions: { up: '从何而来', down: '产生了什么' },
  nothing: { up: '没有关于其来历的记录。', down: '目前还没有由它产生的内容。' },
  root: (kind, name) => `从此${kind}开始：${name}`,
  conversation: '打开对话',
  more: (n) => `再显示 ${n} 项`,
  serves: '正在服务',
  tainted: '含已忘记的内容',
  unknown: '此处没有（或已删除）',
  answers: (count, users) => `${count} 个，来自 ${users} 位用户`,
  rows: (n, rules) => `${n} 行（${rules}）`,
  kinds: {
    answer: '回答', message: '消息', answers: '回答', release: '版本', adapter: '适配器', model: '模型', dataset: '数据集', sample: '样本',
    feedback: '反馈', conversation: '对话', user: '用户', report: '报告', tokens: 'token 分片', corpus: '语料',
    source: '来源', file: '文件', upstream: '上游模型', turn: '轮次', name: '名称',
  },
}

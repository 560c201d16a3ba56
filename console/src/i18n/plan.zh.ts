import type { Dictionary } from './en'

const UNITS = { years: '年', days: '天', hours: '小时', minutes: '分钟', seconds: '秒' }

/** 规划页面的简体中文 */
export const plan: Dictionary['plan'] = {
  title: '算力规划',
  skip: '跳到规划',
  intro: '训练与服务的代价，花钱之前先知道。每个数字都以公布的训练为依据；十次训练有八次落在区间内。',
  tabsLabel: '规划什么',
  tabs: { train: '训练', serve: '服务', compare: '对比' },
  question: '问题',
  answer: '结果',
  stale: '计算中…',
  loadFailed: '设备列表加载失败。',
  units: UNITS,
  span: (value, unit) => `${value} ${UNITS[unit as keyof typeof UNITS] ?? unit}`,
  noPrice: '价格未知',

  fields: {
    params: '参数量', active: '激活参数', tokens: '词元数', model: '模型', device: '设备', count: '设备数量',
    budget: '预算（美元）', deadline: '期限', tflops: '单卡 TFLOP/s', length: '每行词元数', precision: '精度',
    recompute: '重算', price: '每卡每小时美元', users: '用户数', context: '上下文（词元）', quantisation: '权重格式',
    per_day: '每位用户每天回答数', answer_tokens: '每次回答词元数', revenue: '每次回答收入（美元）',
  },
  speculative: '由小模型推测解码',
  wrong: { count: '请写成 175B、7e9、70亿 或 1,024。', days: '请写成 30d、12h 或 2w。', usd: '请写成 50000USD 或 2M。' },
  hints: { active: '混合专家模型：每个词元经过的参数', tflops: '实测值，含重算', deadline: '例如 30d、12h、2w' },
  here: '本机',
  anyDevice: '不限：选最便宜的',
  bySize: '按参数量',
  byDefault: '按惯例',
  more: '更多',
  goalsLabel: '已知条件',
  goals: { count: '设备', budget: '预算', deadline: '期限' },

  presets: {
    label: '示例',
    groups: { tiers: '四级部署', 'gpt-3.5': 'GPT-3 与 GPT-3.5', claims: '说法' },
    chips: {
      'gpt3-1024-a100': '1,024 张卡', 'gpt35-4000-300b': '4,000 张卡、300B', 'gpt35-10000-300b': '10,000 张卡、300B',
      'gpt35-4000-1t': '4,000 张卡、1T', 'gpt35-10000-1t': '10,000 张卡、1T', 'ten-million-gpus': '1000 万张 GPU',
      'tier-general': '通用（万卡）', 'tier-industry': '行业（千卡）', 'tier-enterprise': '企业（百卡）', 'tier-personal': '个人（云+端）',
    },
    table: '各自意味着什么',
    claim: '说法',
  },

  numbers: {
    ideal: '理想', expected: '预计', programme: '整个项目',
    idealHint: '一切顺利', expectedHint: '含中断与重启', programmeHint: '含正式训练之前的试验',
    interval: (low, high) => `八成情况：${low} 至 ${high}`,
    said: (count, device, expected, low, high) => `${count} 张 ${device}：预计 ${expected}，区间 ${low} 至 ${high}。`,
    subject: (params, tokens, count, device) => `${params} 参数，${tokens} 词元，${count} 张 ${device}`,
    axis: '从理想到整个项目，含区间',
  },
  figures: {
    cost: '费用', programmeCost: '整个项目', hours: '卡时', energy: '能耗', power: '功率', co2: '碳排放', speed: '单卡速度',
    operations: '运算量', rate: '每秒词元', checkpoint: '检查点', stops: '每天中断次数', goodput: '有效时间',
    between: (low, high) => `${low} 至 ${high}`,
    basis: (basis) => basis.replace('rent', '租价').replace('purchase', '购价').replace('given', '给定').replace('unknown', '未知'),
    tonnes: (t) => `${t} 吨`,
    mfu: (tflops, mfu) => `${tflops} TFLOP/s，峰值的 ${mfu}`,
    bases: { tflops: '给定', prior: '依据公布的训练', calibrated: '依据此处的训练', probe: '实测' },
    written: (full, minutes) => `${full}，每 ${minutes} 分钟一次`,
  },

  charts: {
    title: '时间与费用',
    time: '时间与设备数量',
    money: '费用与时间',
    timeSaid: (count, days) => `天数随设备数量的变化，均为对数刻度：设备越多，天数越少。${count} 张设备需 ${days}。`,
    moneySaid: (cost, days) => `费用随天数的变化，均为对数刻度，从 1 张到 10 万张设备。此处 ${days}、${cost}。`,
    days: '天', devices: '设备数', usd: '美元', users: '用户数',
    band: '八成情况', rents: '租价范围', here: '本方案', faint: '放不下',
    flat: '更多设备省时间，但更费钱：设备越多单卡越慢（一台到八台服务器之间最明显），大集群还会频繁中断。',
    table: '以表格显示',
    scale: '从一位用户到一亿用户',
    perAnswer: '每次回答费用与用户数',
    perAnswerSaid: (cost, users) => `每次回答的费用随用户数的变化，均为对数刻度：在设备满载之前逐渐下降。此处 ${users} 位用户、${cost}。`,
  },

  memory: {
    title: '单卡显存',
    parts: {
      weights_gb: '权重', gradients_gb: '梯度', optimiser_gb: '优化器', activations_gb: '激活', logits_gb: '输出层',
      gathered_gb: '聚合', cache: '缓存', free: '空闲',
    },
    said: (used, all) => `${used} / ${all}`,
    room: '可用至标线；其余属于驱动程序。',
  },

  layout: {
    title: '并行布局',
    said: (data, tensor, pipeline) => `数据 ${data} × 张量 ${tensor} × 流水线 ${pipeline}`,
    none: '没有放得下的布局；时间仍按速度估计。',
    replicas: (n) => `${n} 个模型副本，各读各的数据`,
    tensor: (n) => (n > 1 ? `每个矩阵乘由 ${n} 张设备分担（行）` : '矩阵乘不切分'),
    pipeline: (n) => (n > 1 ? `各层切成 ${n} 段（列）` : '各层不切分'),
    zero: {
      0: 'ZeRO 0：副本之间不切分状态',
      1: 'ZeRO 1：优化器状态分摊到各副本',
      2: 'ZeRO 2：优化器与梯度分摊到各副本',
      3: 'ZeRO 3：权重、梯度与优化器分摊到各副本',
    },
    recompute: { none: '没有重算', selective: '重算注意力分数', full: '每层的前向计算重算一次' },
    batch: (rows, times, tokens) => `每次 ${rows} 行，每步 ${times} 次，共 ${tokens} 词元`,
    bubble: (share) => `每步有 ${share} 的时间各段相互等待`,
    hidden: (what) => `未画出：${what}。`,
    hiddenReplicas: (n) => `另外 ${n} 个副本`,
    hiddenColumns: (n) => `另外 ${n} 段`,
    device: '每个方块是一张设备，每个框是一个副本。',
  },

  refusal: {
    title: '这样不行',
    fits: '怎样才放得下',
    needs: '需要', has: '现有',
    count: (n) => `改用 ${n} 张设备`,
    params: (n) => `改用 ${n} 参数`,
    quantisation: (name) => `改用 ${name}`,
    both: (n, name) => `改用 ${n} 参数、${name}`,
  },

  budget: {
    title: '能训练的模型',
    kinds: { compute_optimal: '计算最优', over_trained: '小而多训' },
    ratio: (n) => `每参数 ${n} 词元`,
    loss: '预计损失',
    show: '以此规划',
    cheapest: '能按期完成的设备，从便宜到贵',
  },

  serve: {
    subject: (model, users, context, device) => `${model}，${users} 位用户，上下文 ${context}，${device}`,
    pays: { yes: '每次回答都能回本。', no: '每次回答入不敷出。', unknown: '填写每次回答的收入，看财务上是否可行。' },
    answer: '每次回答', million: '满载每百万词元', month: '每位用户每月', hour: '每小时',
    devices: '设备', replicas: (n, of) => `${n} × ${of}`,
    busy: '同时作答', concurrency: '每个副本的并发', alone: '独占时每秒词元', full: '满载时每秒词元',
    prefill: '每秒读入提示词元', first: '首字等待', seconds: (s) => `${s} 秒`,
    cache: '每位用户的缓存',
  },

  compare: {
    days: '时间', cost: '费用', energy: '能耗',
    measure: '基准',
    process: (nm) => `${nm} 纳米`,
    noFit: '放不下',
    same: (count) => `${count} 张同样快`,
    sameCost: (cost, power) => `${cost}，${power}`,
    never: '多少张都不够快',
    choose: '参与对比的设备',
    chosen: (n) => `已选 ${n} 种；第一种为基准`,
    usual: '对比常用设备',
    more: '以量换质：每种设备旁注明要多少张才与基准同样快，以及费用与功率。',
  },

  command: '同样的命令',
  copyCommand: '复制为命令',
}

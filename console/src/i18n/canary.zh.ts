import type { Dictionary } from './en'

/** 飞轮页面上灰度发布卡片的简体中文 */
export const canary: Dictionary['canary'] = {
  title: '灰度发布',
  about: (share, since) => `一个通过把关的版本自 ${since} 起与当前版本并行，回答 ${share} 的对话。`,
  arm: '版本',
  arms: { canary: '灰度版本', present: '当前版本' },
  up: '赞',
  down: '踩',
  votes: (n, of) => `${of} 票中已有 ${n} 票：满票且当前版本票数相当时，只要表现不更差，即全面上线。`,
  waits: {
    present_votes: '等待中：当前版本的票数不足，无法比较。',
    share: '等待中：其好评率低于当前版本，但尚未证实更差。可等待更多投票，或自行决定。',
  },
  capped: (n) => `另有 ${n} 票未计入，因为每人每天的票数有限。`,
  evidence: { worse: '更差的证据', better: '更好的证据' },
  of: (value, needed) => `${value} / ${needed}`,
  evidenceHint: '每一票之后都可以查看。1 表示没有证据；一旦足够，灰度版本会自动撤回或全面上线。',
  states: {
    cold: '尚未加载；在此之前由当前版本回答所有对话。',
    loading: '正在加载；在此之前由当前版本回答所有对话。',
    error: '无法加载；由当前版本回答所有对话。',
  },
  promote: '立即全面上线',
  withdraw: '撤回',
  promoted: (release) => `版本 ${release} 已全面上线`,
  withdrawn: (release) => `仅由版本 ${release} 服务`,
}

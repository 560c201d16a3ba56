/** The canary's card on the flywheel page in English. */
export const canary = {
  title: 'Canary',
  about: (share: string, since: string) => `A release that passed the gate answers ${share} of the conversations since ${since}, beside the present one.`,
  arm: 'Release',
  arms: { canary: 'Canary', present: 'Present' },
  up: 'Thumbs up',
  down: 'Thumbs down',
  votes: (n: number, of: number) => `${n} of ${of} votes: with all of them, and as many on the present release, it takes over unless it does worse.`,
  waits: {
    present_votes: 'It waits: the present release has too few votes to compare with.',
    share: 'It waits: fewer of its thumbs are up than on the present release, but that it is worse is not proven. More votes will tell, or you decide.',
  },
  capped: (n: number) => `${n} more do not count, because one person has only so many votes in a day.`,
  evidence: { worse: 'Evidence that it is worse', better: 'Evidence that it is better' },
  of: (value: string, needed: string) => `${value} of ${needed}`,
  evidenceHint: 'May be looked at after every vote. 1 is none; once it is enough, the canary is withdrawn or takes over by itself.',
  states: {
    cold: 'It is not loaded yet; until then the present release answers everything.',
    loading: 'It is being loaded; until then the present release answers everything.',
    error: 'It cannot be loaded; the present release answers everything.',
  },
  promote: 'Promote now',
  withdraw: 'Withdraw',
  promoted: (release: string) => `Release ${release} serves now`,
  withdrawn: (release: string) => `Release ${release} serves alone`,
}

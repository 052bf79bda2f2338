//! The one source of chance of a life (SplitMix64): the seed decides everything.

/// Seeded dice.
#[derive(Debug, Clone)]
pub(super) struct Dice(u64);

impl Dice {
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub const fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `bound`; 0 for 0.
    pub const fn below(&mut self, bound: u64) -> u64 {
        if bound == 0 { 0 } else { self.roll() % bound }
    }

    /// Whether something happens that has this chance, in thousandths.
    pub const fn chance(&mut self, per_mille: u64) -> bool {
        self.below(1_000) < per_mille
    }

    /// A number of milliseconds from `least` to `most`.
    pub fn ms(&mut self, (least, most): (i64, i64)) -> i64 {
        let span = u64::try_from(most.saturating_sub(least)).unwrap_or_default();
        least + i64::try_from(self.below(span + 1)).unwrap_or_default()
    }

    /// The same on a logarithmic scale: short spans are as likely as long ones.
    pub fn ms_or_so(&mut self, least: i64, most: i64) -> i64 {
        let mut upper = least.max(1);
        while upper < most && self.chance(650) {
            upper = upper.saturating_mul(3);
        }
        self.ms((least, upper.min(most)))
    }

    pub fn pick<T: Copy>(&mut self, of: &[T]) -> Option<T> {
        let at = usize::try_from(self.below(of.len() as u64)).unwrap_or_default();
        of.get(at).copied()
    }
}

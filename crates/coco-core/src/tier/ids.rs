//! Numbers of tiers, and of targets in their tier, so that none is taken for the other.

/// A type for the numbers of things of one kind.
#[macro_export]
macro_rules! id {
    ($(#[$documentation:meta])* $name:ident) => {
        $(#[$documentation])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(usize);

        impl $name {
            /// By its number, from 0.
            #[inline]
            pub fn new(number: usize) -> Self {
                Self(number)
            }

            /// Its number.
            #[inline]
            pub fn number(self) -> usize {
                self.0
            }
        }
    };
}

id! {
    /// A tier, by its place in the order of the configuration.
    TierId
}

impl TierId {
    /// The one that is asked first.
    pub const FIRST: Self = Self(0);
}

id! {
    /// A target, by its place in its tier.
    TargetId
}

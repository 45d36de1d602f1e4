//! What the administration sees of channels.

use tidings_log::Position;

use crate::channel::ChannelName;

/// Which channels are wanted.
#[derive(Clone, Copy, Debug, Default)]
pub struct ChannelQuery<'a> {
    /// Their names begin with it.
    pub prefix: &'a str,
    /// They come after this name, in the order of bytes.
    pub after: Option<&'a str>,
    /// How many at most, from 1 to [`ChannelPage::MAX`].
    pub limit: usize,
}

/// Channels in the order of their names.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ChannelPage {
    /// The channels. Those that went while they were looked at are left out.
    pub channels: Vec<ChannelInfo>,
    /// There may be more: the `after` of the next page.
    pub next: Option<ChannelName>,
}

impl ChannelPage {
    /// Channels of one page at most.
    pub const MAX: usize = 1_000;
}

/// A channel at one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct ChannelInfo {
    /// Its name.
    pub name: ChannelName,
    /// The place after its newest entry.
    pub position: Position,
    /// The oldest retained offset; the one after `position` when nothing is retained.
    pub oldest: u64,
    /// Retained entries.
    pub messages: u64,
    /// Their bytes.
    pub bytes: usize,
    /// Cursors on it.
    pub readers: usize,
    /// Nothing follows.
    pub ended: bool,
    /// Who is there: of a presence channel and of what it is about the same.
    pub members: usize,
    /// Messages since it was last idle, ephemeral ones too.
    pub published: u64,
    /// Of these in a second, over the last ten seconds or so.
    pub rate: f32,
}

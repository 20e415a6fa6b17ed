import Foundation

/// The three texts of a recording that can be compared line by line with those of any other run.
public struct CanonicalTexts: Sendable {
  /// One of the texts.
  public enum Kind: String, CaseIterable, Sendable {
    case packets, commands, state

    /// The name of its file.
    public var fileName: String { rawValue + ".txt" }
  }

  /// The packets of each interface.
  public let packets: String
  /// The commands with their output and exit codes.
  public let commands: String
  /// The final state of each namespace.
  public let state: String

  /// Normalises the recording in a folder.
  public init(ofRecordingIn folder: URL) throws(Recording.Unreadable) {
    let recording = try Recording(folder: folder)
    let names = LabNames(recording)
    // In this order, because a number is named where it first appears.
    packets = PacketsText(recording, names: names).text()
    let filter = TextFilter(names: names)
    commands = CommandsText(recording, filter: filter).text()
    state = StateText(recording, names: names, filter: filter).text()
  }

  /// The text of a kind.
  public subscript(kind: Kind) -> String {
    switch kind {
    case .packets: packets
    case .commands: commands
    case .state: state
    }
  }
}

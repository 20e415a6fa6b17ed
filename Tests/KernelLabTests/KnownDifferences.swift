import Foundation

/// The labs that are known to disagree with Linux, each with what differs and why.
///
/// One line each in `known.tsv`: the lab, the texts that differ (or `refused`), the reason.
struct KnownDifferences: Sendable {
  struct Entry: Sendable {
    /// The file names without `.txt`, in order, joined by commas; `refused` for a lab that cannot run.
    var differs: String
    var reason: String
  }

  static let file = KernelLab.folder.appendingPathComponent("known.tsv")

  /// The lines at the top of the list.
  static let heading = [
    "# Labs that do not agree with Linux: the lab, the texts that differ (or refused), the reason."
  ]

  private(set) var entries: [String: Entry] = [:]
  /// Lines that are not three fields with a reason, and labs that are listed twice.
  private(set) var mistakes: [String] = []

  /// The list of this package.
  static let current = KnownDifferences(
    parsing: (try? String(contentsOf: file, encoding: .utf8)) ?? ""
  )

  init(parsing text: String) {
    for line in text.split(separator: "\n") where !line.hasPrefix("#") {
      let fields = line.split(separator: "\t", omittingEmptySubsequences: false).map(String.init)
      guard fields.count == 3, !fields[2].isEmpty, fields[2] != "?" else {
        mistakes.append("no lab, texts and reason: \(line)")
        continue
      }
      if entries.updateValue(Entry(differs: fields[1], reason: fields[2]), forKey: fields[0]) != nil
      {
        mistakes.append("listed twice: \(fields[0])")
      }
    }
  }
}

/// Where two texts part, nil for equal texts.
struct TextDifference: CustomStringConvertible {
  let description: String

  private static let shownLines = 5

  /// Compares line by line.
  init?(expected: String, actual: String) {
    let wanted = TextDifference.lines(of: expected)
    let got = TextDifference.lines(of: actual)
    guard wanted != got else { return nil }
    let same = zip(wanted, got).prefix { $0 == $1 }.count
    var text = "line \(same + 1)"
    if same > 0 { text += "\n      \(wanted[same - 1])" }
    let (restWanted, restGot) = (wanted.dropFirst(same), got.dropFirst(same))
    for line in restWanted.prefix(TextDifference.shownLines) { text += "\n    - \(line)" }
    for line in restGot.prefix(TextDifference.shownLines) { text += "\n    + \(line)" }
    text += "\n    (- Linux, \(wanted.count) lines; + here, \(got.count) lines)"
    description = text
  }

  private static func lines(of text: String) -> [Substring] {
    var lines = text.split(separator: "\n", omittingEmptySubsequences: false)
    while lines.last?.isEmpty == true { lines.removeLast() }
    return lines
  }
}

import HopyardContainers
import HopyardUserland

/// Shell text of a scenario.
enum ScenarioShell {
  /// The text with the line numbers of its file.
  static func source(of text: Scenario.Text, isBackground: Bool = false) -> ShellSource {
    // A text of several lines is a block, which begins on the line after its mark.
    let isBlock = text.text.contains("\n")
    let line = text.node.location.line + (isBlock ? 1 : 0)
    var body = text.text
    if isBackground {
      let trimmed = String(body.reversed().drop { $0.isWhitespace }.reversed())
      body = "{ " + trimmed + "\n} &"
    }
    return ShellSource(
      name: text.node.file,
      text: String(repeating: "\n", count: max(0, line - 1)) + body
    )
  }
}

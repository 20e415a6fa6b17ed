import ArgumentParser
import Hopyard

/// `hopyard new`.
struct NewCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "new",
    abstract: "Print a scenario around a compose file or manifests.",
    discussion: """
      Runs the file once and writes an expectation for each published port and each
      service name, as it comes out.

        hopyard new compose.yaml > NAME.yaml
      """
  )

  @Argument(help: "The compose file, or manifests.", completion: .file())
  var file: String

  func run() throws {
    let text: String
    if !file.hasSuffix("/"), Folder.files(file) == [file] {
      let kind = InputKind(try LabFile.read(file))
      text =
        kind == .compose
        ? ScenarioDraft.around(compose: file) : ScenarioDraft.around(manifests: file)
    } else {
      text = ScenarioDraft.around(manifests: file)
    }
    do {
      Standard.output(try ScenarioDraft.text(around: text, for: file))
      Standard.flush()
    } catch {
      Standard.error("\(error)\n")
      throw ExitCode(2)
    }
  }
}

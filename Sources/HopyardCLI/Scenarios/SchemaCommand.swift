import ArgumentParser
import Hopyard

/// `hopyard schema`.
struct SchemaCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "schema",
    abstract: "Print the JSON Schema of scenario files, for editors."
  )

  func run() throws {
    Standard.output(ScenarioSchema.text)
    Standard.flush()
  }
}

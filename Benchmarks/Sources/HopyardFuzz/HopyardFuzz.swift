import Foundation
import Hopyard

@main
struct HopyardFuzz {
  static func main() {}
}

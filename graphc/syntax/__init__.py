"""Text to syntax trees and lazy configuration records; no semantics."""

"""What is measured (`catalog`), where numbers are kept (`meters`), and how they are shown (`prometheus`, `emf`)."""
